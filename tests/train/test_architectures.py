import pytest
import torch
from torch import nn

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import MelSpec
from edgeae.train.architectures import MASKING_STD_DB, Autoencoder, build, cost
from edgeae.train.config import ModelConfig, load_config

NAMES = ("edge", "cnn2d", "dense")


def _network(name: str, n_mels: int = 128) -> Autoencoder:
    torch.manual_seed(0)
    return build(load_config(name).model, n_mels)


def _lively(network: Autoencoder) -> Autoencoder:
    """The network in eval mode, with BatchNorm statistics that have an effect."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.bias)
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_mels", [64, 128])
def test_a_patch_gives_a_residual_of_its_shape(name: str, n_mels: int) -> None:
    assert _network(name, n_mels)(torch.randn(3, 32, n_mels)).shape == (3, 32, n_mels)


@pytest.mark.parametrize("name", NAMES)
def test_the_residual_is_reconstruction_minus_standardised_input(name: str) -> None:
    network = _lively(_network(name))
    network.set_statistics(torch.randn(128), torch.rand(128) + 1)
    patches = torch.randn(2, 32, 128)
    z = network.relative((patches - network.mean) / network.std)
    torch.testing.assert_close(network(patches) + z, network.reconstruct(z))


@pytest.mark.parametrize("name", NAMES)
def test_patches_do_not_know_each_other(name: str) -> None:
    network = _lively(_network(name))
    patches = torch.randn(4, 32, 128)
    torch.testing.assert_close(network(patches)[2:3], network(patches[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_layer_is_linear_and_every_layer_has_an_integer_form(name: str) -> None:
    layers = [layer for layer in _network(name).body.modules() if not list(layer.children())]
    convolutions = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
    assert isinstance(layers[-1], convolutions)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert all(isinstance(layer, (*convolutions, *norms, nn.ReLU, nn.Dropout)) for layer in layers)


def test_edge_keeps_to_its_limits() -> None:
    size = cost(_network("edge"), MelSpec())
    assert 150_000 <= size.parameters <= 190_000
    assert size.macs_per_second <= 3e6


def test_edge_has_its_bottleneck_at_an_eighth_of_the_frames() -> None:
    shapes: list[torch.Size] = []
    network = build(ModelConfig(bottleneck=5), 128)
    for layer in network.body.children():
        layer.register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape))
    network(torch.randn(2, 32, 128))
    assert (2, 5, 4) in shapes


@pytest.mark.parametrize("name", NAMES)
def test_macs_are_the_multiplications_of_the_convolutions(name: str) -> None:
    spec, network = MelSpec(), _network(name)
    per_patch = cost(network, spec).macs_per_second * 32 / spec.frames_per_second
    assert per_patch == int(per_patch)
    conv = nn.Conv1d(128, 128, 5, stride=2, padding=2)
    up = nn.ConvTranspose1d(128, 128, 4, stride=2, padding=1)
    plain = Autoencoder(nn.Sequential(conv, up), 128)
    assert (
        cost(plain, spec).macs_per_second
        == (conv.weight.numel() * 16 + up.weight.numel() * 16) / 32 * 31.25
    )


def test_counting_leaves_the_network_as_it_was() -> None:
    network = _network("cnn2d").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    cost(network, MelSpec())
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_dense_is_the_mean_over_the_windows_that_hold_a_frame() -> None:
    """Against its plain form: fully connected layers on windows of 5 * 128 numbers."""
    network = _lively(_network("dense")).double()
    first, *middle, last = list(network.body.children())
    assert isinstance(first, nn.Conv1d)
    assert isinstance(last, nn.ConvTranspose1d)
    assert last.bias is not None
    z = torch.randn(1, 32, 128, dtype=torch.float64)
    padded = torch.cat([torch.zeros(1, 4, 128), z, torch.zeros(1, 4, 128)], dim=1)
    windows = padded.unfold(1, 5, 1).reshape(36, 128 * 5)  # (window, band and frame)
    hidden = windows @ first.weight.reshape(128, -1).T
    hidden = nn.Sequential(*middle)(hidden[:, :, None])[:, :, 0]
    # A window's own output layer has five times the weights of the transposed convolution.
    rebuilt = (hidden @ (5 * last.weight).reshape(128, -1)).reshape(36, 128, 5) + last.bias[:, None]
    expected = torch.stack(
        [torch.stack([rebuilt[t + 4 - k, :, k] for k in range(5)]).mean(0) for t in range(32)]
    )
    torch.testing.assert_close(network.reconstruct(z)[0], expected)


def test_dense_has_the_layers_of_the_baseline() -> None:
    weights = [tuple(p.shape) for p in _network("dense").body.parameters() if p.ndim == 3]
    square = [(128, 128, 1)] * 3
    assert weights == [(128, 128, 5), *square, (8, 128, 1), (128, 8, 1), *square, (128, 128, 5)]


@pytest.mark.parametrize(
    ("name", "dropout"), [("edge", (0.1,) * 4), ("cnn2d", (0.1,) * 5), ("dense", (0.1,))]
)
def test_more_dropout_than_layers_is_refused(name: str, dropout: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="allowed for"):
        build(ModelConfig(name=name, dropout=dropout), 128)  # type: ignore[arg-type]


def test_origin_has_the_layers_that_it_had() -> None:
    """The sides of the images; a Sigmoid follows the last one."""
    shapes: list[torch.Size] = []
    network = _network("origin").eval()
    for layer in network.body.children():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape))
    assert network(torch.full((2, 128, 128), -40.0)).shape == (2, 128, 128)
    sides = [64, 32, 15, 7, 5, 7, 15, 31, 63, 129]
    channels = [32, 64, 128, 256, 40, 256, 128, 64, 32, 1]
    assert shapes == [(2, c, side, side) for c, side in zip(channels, sides, strict=True)]
    dropouts = [layer.p for layer in network.body.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.2, 0.3, 0.3, 0.3, 0.3, 0.2]


def test_origin_weights_an_error_of_1_db_alike_in_each_band() -> None:
    network = _network("origin").eval()
    network.set_statistics(torch.linspace(-20, -60, 128), torch.full((128,), 5.0))
    assert float(network.std.std()) == float(network.mean.std()) == 0
    levels = torch.full((1, 128, 128), -40.0)
    z = network.standardised(levels)
    reconstruction_db = network.reconstruct(z) * network.std + network.mean
    assert reconstruction_db.min() >= -90 - 1e-3
    assert reconstruction_db.max() <= 24 + 1e-3
    residual = network(levels)
    torch.testing.assert_close(residual * network.std, reconstruction_db - levels)


def test_origin_reads_nothing_beyond_its_range() -> None:
    network = _network("origin").eval()
    network.set_statistics(torch.full((128,), -40.0), torch.full((128,), 10.0))
    z = network.standardised(torch.full((1, 128, 128), -90.0))
    torch.testing.assert_close(network.reconstruct(z), network.reconstruct(z - 3))


def test_a_band_without_sound_stays_masked_in_origin() -> None:
    network = _network("origin")
    std = torch.full((128,), 10.0)
    std[-3:] = MASKING_STD_DB
    network.set_statistics(torch.full((128,), -40.0), std)
    assert network.std[-3:].tolist() == [MASKING_STD_DB] * 3
    assert set(network.std[:-3].tolist()) == {10.0}
