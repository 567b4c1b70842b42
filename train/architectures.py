"""The architectures: autoencoders of standardised log-mel patches, fully convolutional in time.

                       .-------------------------- z ---------------------------.
                       |                                                        v -
    x (N, T, n_mels) --+--> (x - mean) / std --> encoder --> decoder --> linear + --> residual
    dB                                                    (N, T, n_mels) standard deviations

The encoder of edge can also describe which machine a patch is from, in a few numbers (`Identity`).
It then reads z without the level of the patch, or without the mean of each band (`RelativeInput`).

Only operations with an integer form follow: convolutions, BatchNorm that folds into them, ReLU, and
ConvTranspose, which the exporter rewrites as a convolution. The last layer is linear.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import MelSpec

from .config import MAX_LEVEL_WEIGHT, ModelConfig

ORIGIN_RANGE_DB = (-90.0, 24.0)  # of levels that origin scales to 0..1
# Of a band without sound in training: so large that nothing in it counts.
MASKING_STD_DB = 1e6
Subtracted = Literal["level", "bands"]


class Identity(nn.Module):
    """The identity embedding: numbers in which machines, and changes of their sound, differ.

    It is linear in the mean and the maximum over time of what the encoder gives, so the embedding
    of a window is the mean over its patches.
    """

    def __init__(self, n_channels: int, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * n_channels)
        self.linear = nn.Linear(2 * n_channels, size, bias=False)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Pooled output of the encoder (N, 2 * n_channels) -> embedding (N, size)."""
        embedding: torch.Tensor = self.linear(self.norm(pooled))
        return embedding

    @torch.no_grad()
    def matrix(self) -> torch.Tensor:
        """(2 * n_channels, size) that maps the pooled output to the embedding, up to a constant.

        The constant has no effect on distances.
        """
        assert self.norm.running_var is not None
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        return (self.linear.weight * scale).T.contiguous()


class RelativeInput(nn.Module):
    """Subtracts from each patch what a microphone at another place would change.

    level: the weighted mean over time and bands of z, so that a gain changes nothing. A gain of
    1 dB adds ``decibel`` to z, and is a level of 1, whatever the weights.
    bands: the mean over time of each band, so that a filter changes nothing, either.
    """

    weights: torch.Tensor  # (n_mels, 1)
    decibel: torch.Tensor  # (n_mels,), standard deviations

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.subtracted: Subtracted = "level"
        self.register_buffer("weights", torch.full((n_mels, 1), 1.0 / n_mels))
        self.register_buffer("decibel", torch.ones(n_mels))

    def set_statistics(self, std: torch.Tensor) -> None:
        """std: (n_mels,) dB; a band that is masked by its deviation has no part in the level."""
        has_sound = std < MASKING_STD_DB
        share = torch.where(has_sound, std / std[has_sound].max(), 0.0)
        weights = torch.round(MAX_LEVEL_WEIGHT * share)
        decibel = torch.where(has_sound, 1 / std, 0.0)
        self.weights.copy_((weights / (weights @ decibel))[:, None])
        self.decibel.copy_(decibel)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) -> z without what is subtracted from each patch, standard deviations."""
        bands = z.mean(dim=1, keepdim=True)
        if self.subtracted == "bands":
            return z - bands
        level_db = bands @ self.weights
        return z - level_db * self.decibel

    def get_extra_state(self) -> torch.Tensor:
        """Whether the bands are subtracted. The weights are trained for one of the two."""
        return torch.tensor(self.subtracted == "bands")

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Read what `get_extra_state` returned."""
        self.subtracted = "bands" if state else "level"


def pooled_over_time(encoded: torch.Tensor) -> torch.Tensor:
    """(N, C, T) -> (N, 2 * C), mean and maximum over time."""
    return torch.cat([encoded.mean(dim=2), encoded.amax(dim=2)], dim=1)


class Autoencoder(nn.Module):
    """Residual of a patch; ``body`` maps z (N, C, ...) to its reconstruction of the same shape."""

    mean: torch.Tensor  # (n_mels,), dB
    std: torch.Tensor  # (n_mels,), dB

    def __init__(
        self,
        body: nn.Sequential,
        n_mels: int,
        n_encoder_layers: int = 0,
        identity: Identity | None = None,
    ) -> None:
        """identity: reads what the first ``n_encoder_layers`` of ``body`` give."""
        super().__init__()
        self.body = body
        self.n_encoder_layers = n_encoder_layers
        self.identity = identity
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))
        self.relative_input = RelativeInput(n_mels) if identity is not None else None

    def set_statistics(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """Per-band mean and standard deviation (n_mels,) in dB of the frames that fit."""
        self.mean.copy_(mean)
        self.std.copy_(std)
        if self.relative_input is not None:
            self.relative_input.set_statistics(std)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) dB -> reconstruction minus input, (N, T, n_mels) standard deviations."""
        z = self.relative(self.standardised(patches))
        return self.reconstruct(z) - z

    def standardised(self, patches: torch.Tensor) -> torch.Tensor:
        """z (N, T, n_mels), standard deviations."""
        return (patches - self.mean) / self.std

    def relative(self, z: torch.Tensor) -> torch.Tensor:
        """What the body reads of z: z itself, or z without the level or the bands of each patch."""
        if self.relative_input is None:
            return z
        relative: torch.Tensor = self.relative_input(z)
        return relative

    def reconstruct(self, z: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) -> (N, T, n_mels): bands are the channels of a convolution over time."""
        return self.decode(self.encode(z))

    def encode(self, z: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) -> (N, C, T / 8), what the identity embedding reads."""
        encoded: torch.Tensor = self.body[: self.n_encoder_layers](z.transpose(1, 2))
        return encoded

    def decode(self, encoded: torch.Tensor) -> torch.Tensor:
        """(N, C, T / 8) -> reconstruction (N, T, n_mels)."""
        reconstruction: torch.Tensor = self.body[self.n_encoder_layers :](encoded).transpose(1, 2)
        return reconstruction

    @torch.no_grad()
    def embedding(self, patches: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) dB -> identity embedding (N, size); size 0 for a network without one."""
        if self.identity is None:
            return patches.new_zeros(len(patches), 0)
        z = self.relative(self.standardised(patches))
        pooled = pooled_over_time(self.encode(z))
        return pooled @ self.identity.matrix()


class Autoencoder2d(Autoencoder):
    """The same with a patch of ``frames`` as an image of one channel."""

    def __init__(self, body: nn.Sequential, n_mels: int, frames: int) -> None:
        super().__init__(body, n_mels)
        self.shape = (frames, n_mels)

    def reconstruct(self, z: torch.Tensor) -> torch.Tensor:
        image: torch.Tensor = self.body(z.reshape(-1, 1, *self.shape))  # (N, 1, T, n_mels)
        return image.reshape(-1, *self.shape)


class ScaledAutoencoder(Autoencoder2d):
    """An image of levels scaled to 0..1, of which ``body`` gives the logit.

    One standard deviation holds for all bands, so that an error of 1 dB counts alike in each.
    """

    scale: torch.Tensor  # (1,), of 0..1 for one standard deviation
    shift: torch.Tensor  # (1,), of 0..1 at z = 0

    def __init__(self, body: nn.Sequential, n_mels: int, frames: int) -> None:
        super().__init__(body, n_mels, frames)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("shift", torch.zeros(1))

    def set_statistics(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """Those of all bands together; a band that is masked by its deviation stays masked."""
        has_sound = std < MASKING_STD_DB
        of_sound = mean[has_sound]
        common_mean = of_sound.mean()
        variance = (std[has_sound].square() + (of_sound - common_mean).square()).mean()
        common_std = variance.sqrt()
        super().set_statistics(common_mean.expand_as(mean), torch.where(has_sound, common_std, std))
        lowest, highest = ORIGIN_RANGE_DB
        self.scale.copy_(common_std / (highest - lowest))
        self.shift.copy_((common_mean - lowest) / (highest - lowest))

    def reconstruct(self, z: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) -> (N, T, n_mels), both in standard deviations."""
        image = torch.clamp(z * self.scale + self.shift, 0.0, 1.0)
        logits: torch.Tensor = self.body(image.reshape(-1, 1, *self.shape))
        n_frames, n_mels = self.shape  # the body gives one more of each
        logits = logits[:, :, :n_frames, :n_mels].reshape(-1, n_frames, n_mels)
        levels = torch.sigmoid(logits)
        return (levels - self.shift) / self.scale


def build(config: ModelConfig, n_mels: int) -> Autoencoder:
    """The network of a configuration, with fresh weights from torch's global generator."""
    networks = {"edge": edge, "cnn2d": cnn2d, "dense": dense, "origin": origin}
    return networks[config.name](config, n_mels)


def edge(config: ModelConfig, n_mels: int) -> Autoencoder:
    """Temporal autoencoder, bands as channels, 8x down in time.

        frames   32        16        8         4         8         16        32
        channels n_mels -> 96 -----> 64 -----> 48 -----> 64 -----> 96 -----> 96 -> n_mels
                                               48 -> 8 -> 48   the bottleneck, linear

    With an identity embedding, the encoder is wider and the decoder narrower:

        channels n_mels -> 96 -----> 96 -----> 96 -----> 48 -----> 56 -----> 64 -> n_mels
                                               96 -> 8 -> 48   the bottleneck, linear
                                               96 -> identity embedding
    """  # fmt: skip
    drop = _dropouts(config, 3)
    half, quarter = (96, 96) if config.embedding_size else (64, 48)
    up = (48, 56, 64) if config.embedding_size else (64, 96, 96)
    encoder = [
        nn.Conv1d(n_mels, 96, 5, stride=2, padding=2, bias=False), *_active(96, drop[0]),
        nn.Conv1d(96, half, 3, stride=2, padding=1, bias=False), *_active(half, drop[1]),
        nn.Conv1d(half, quarter, 3, stride=2, padding=1, bias=False), *_active(quarter, drop[2]),
    ]  # fmt: skip
    decoder = [
        nn.Conv1d(quarter, config.bottleneck, 1),
        nn.Conv1d(config.bottleneck, 48, 1, bias=False), *_active(48),
        nn.ConvTranspose1d(48, up[0], 4, stride=2, padding=1, bias=False), *_active(up[0]),
        nn.ConvTranspose1d(up[0], up[1], 4, stride=2, padding=1, bias=False), *_active(up[1]),
        nn.ConvTranspose1d(up[1], up[2], 4, stride=2, padding=1, bias=False), *_active(up[2]),
        nn.Conv1d(up[2], n_mels, 1),
    ]  # fmt: skip
    identity = Identity(quarter, config.embedding_size) if config.embedding_size else None
    return Autoencoder(nn.Sequential(*encoder, *decoder), n_mels, len(encoder), identity)


def cnn2d(config: ModelConfig, n_mels: int) -> Autoencoder:
    """Five 2-D convolutions down to (bottleneck, T/16, n_mels/16), mirrored on the way up."""
    drop = _dropouts(config, 4)
    z = config.bottleneck
    up = partial(nn.ConvTranspose2d, stride=2, output_padding=1, bias=False)
    body = nn.Sequential(
        nn.Conv2d(1, 32, 5, stride=2, padding=2, bias=False), *_active(32, drop[0], 2),
        nn.Conv2d(32, 64, 5, stride=2, padding=2, bias=False), *_active(64, drop[1], 2),
        nn.Conv2d(64, 128, 3, stride=2, padding=1, bias=False), *_active(128, drop[2], 2),
        nn.Conv2d(128, 256, 3, stride=2, padding=1, bias=False), *_active(256, drop[3], 2),
        nn.Conv2d(256, z, 3, padding=1),
        nn.ConvTranspose2d(z, 256, 3, padding=1, bias=False), *_active(256, 0, 2),
        up(256, 128, 3, padding=1), *_active(128, 0, 2),
        up(128, 64, 3, padding=1), *_active(64, 0, 2),
        up(64, 32, 5, padding=2), *_active(32, 0, 2),
        nn.ConvTranspose2d(32, 1, 5, stride=2, padding=2, output_padding=1),
    )  # fmt: skip
    return Autoencoder2d(body, n_mels, config.patch_frames)


def origin(config: ModelConfig, n_mels: int) -> Autoencoder:
    """The network that edgeae started from: `cnn2d` without padding inside and without BatchNorm.

        side      128 -> 64 -> 32 -> 15 -> 7 -> 5 -> 7 -> 15 -> 31 -> 63 -> 128
        channels    1    32    64   128  256   z  256  128    64    32      1 -> Sigmoid

    (1, 2) zeros stand before and after the first two images. Of the two largest images of the
    decoder, borders are cut off.
    """
    drop = _dropouts(config, 7)
    z = config.bottleneck
    zeros = partial(nn.ZeroPad2d, (1, 2, 1, 2))
    up = nn.ConvTranspose2d
    body = nn.Sequential(
        zeros(), nn.Conv2d(1, 32, 5, stride=2), *_dropped(drop[0]),
        zeros(), nn.Conv2d(32, 64, 5, stride=2), *_dropped(drop[1]),
        nn.Conv2d(64, 128, 3, stride=2), *_dropped(drop[2]),
        nn.Conv2d(128, 256, 3, stride=2), *_dropped(drop[3]),
        nn.Conv2d(256, z, 3),
        up(z, 256, 3), *_dropped(drop[4]),
        up(256, 128, 3, stride=2), *_dropped(drop[5]),
        up(128, 64, 3, stride=2), *_dropped(drop[6]),
        up(64, 32, 5, stride=2, padding=1), nn.ReLU(),
        up(32, 1, 5, stride=2),
    )  # fmt: skip
    return ScaledAutoencoder(body, n_mels, config.patch_frames)


def dense(config: ModelConfig, n_mels: int) -> Autoencoder:
    """The dense autoencoder of DCASE 2020 Task 2 and MLPerf Tiny, written as convolutions.

    That network sees windows of 5 frames, 5 * 128 = 640 numbers. A dense layer over every window of
    a patch is a convolution of width 5, those behind it have width 1, and the last one lays the 5
    frames of every window where they belong, which is a transposed convolution:

        frame      0  1  2  3  4  5 ...
        window 0  [=  =  =  =  =]               frame 4 is rebuilt by windows 0, 1, 2, 3 and 4;
        window 1     [=  =  =  =  =]            its reconstruction is the mean of the five
        window 2        [=  =  =  =  =]
        ...                                     windows that hang over an edge see the mean
                                                spectrum (z = 0) there, so every frame has five

    The last layer's first weights include the factor 1/5 of that mean. DCASE instead averages the
    squared errors of the five reconstructions, which one residual per frame cannot express.
    """
    if config.dropout:
        raise ConfigError(f"model.dropout is {list(config.dropout)}; allowed for dense is []")
    z = config.bottleneck
    hidden = [layer for n, m in [(128, 128)] * 3 + [(128, z), (z, 128)] + [(128, 128)] * 3
              for layer in (nn.Conv1d(n, m, 1, bias=False), *_active(m))]  # fmt: skip
    last = nn.ConvTranspose1d(128, n_mels, 5, padding=4)
    with torch.no_grad():
        last.weight /= 5
    body = nn.Sequential(
        nn.Conv1d(n_mels, 128, 5, padding=4, bias=False), *_active(128), *hidden, last
    )
    return Autoencoder(body, n_mels)


def _active(channels: int, dropout: float = 0, dimensions: int = 1) -> list[nn.Module]:
    norm: nn.Module = nn.BatchNorm1d(channels) if dimensions == 1 else nn.BatchNorm2d(channels)
    return [norm, nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]


def _dropped(dropout: float) -> list[nn.Module]:
    return [nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]


def _dropouts(config: ModelConfig, layers: int) -> list[float]:
    if len(config.dropout) > layers:
        raise ConfigError(
            f"model.dropout is {list(config.dropout)}; "
            f"allowed for {config.name} are at most {layers} shares"
        )
    return [*config.dropout, *[0.0] * (layers - len(config.dropout))]


@dataclass(frozen=True)
class Cost:
    """Size of a network."""

    parameters: int
    macs_per_second: float  # multiplications with accumulation, for one second of audio


def cost(network: Autoencoder, spec: MelSpec, patch_frames: int = 32) -> Cost:
    """Count parameters, and multiplications of the convolutions on one patch."""
    macs = 0

    def count(layer: _ConvNd, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal macs
        # A convolution uses all its weights at each place of its output, a transposed one at each
        # place of its input.
        places = inputs[0] if layer.transposed else output
        macs += layer.weight.numel() * places[0, 0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, _ConvNd)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = network.training
    with torch.inference_mode():
        network.eval()(network.mean.new_zeros(1, patch_frames, spec.n_mels))
    network.train(training)
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, macs * spec.frames_per_second / patch_frames)
