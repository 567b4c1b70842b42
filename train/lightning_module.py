"""The network as Lightning trains it."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from edgeae.runtime.errors import ConfigError

from .architectures import Autoencoder, Subtracted, build, pooled_over_time
from .checkpoint_network import CHECKPOINT_FORMAT, CHECKPOINT_KEY
from .config import Config
from .identity_loss import IdentityLoss, shifted
from .patches import Crops

# Of the epochs, rounded up, in which it is tried what to subtract from a patch.
TRIAL_SHARE = 0.3
FINAL_RATE_SHARE = 0.01  # of the learning rate, at the end of the cosine
STEPS_PER_SEED = 1_000_003  # so many steps have random numbers of their own before the next seed's


class AutoencoderModule(LightningModule):
    """Minimises the mean squared residual, in squared standard deviations of each band.

    A network with an identity embedding also learns to classify crops (`IdentityLoss`). Of n band
    shifts, one crop in n + 1 is as recorded; the autoencoder learns from these alone. In the first
    epochs half of the steps subtract the level of each patch and half its bands, unless
    ``identity.relative_to`` chooses one; the one that tells the classes apart better is kept.

    Everything random in a step follows from seed and step, so that a run resumed after a kill
    is bitwise the run it would have been (on the CPU).
    """

    def __init__(self, config: Config, n_machines: int = 1) -> None:
        super().__init__()
        self.config = config
        self.network: Autoencoder = build(config.model, config.mel.n_mels)
        self.identity_loss: IdentityLoss | None = None
        if config.model.embedding_size:
            self.identity_loss = IdentityLoss(config, n_machines)
        if self.network.relative_input is not None and config.identity.relative_to == "bands":
            self.network.relative_input.subtracted = "bands"
        # Identity losses of the steps of this epoch, by what they subtracted.
        self._trial_losses: dict[Subtracted, list[torch.Tensor]] = {"level": [], "bands": []}

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(N, T, n_mels) dB -> (N, T, n_mels) residual."""
        residual: torch.Tensor = self.network(patches)
        return residual

    def _loss(self, patches: torch.Tensor) -> torch.Tensor:
        residual: torch.Tensor = self(patches)
        return residual.float().square().mean()

    def _crops_loss(self, crops: Crops) -> torch.Tensor:
        """The loss of autoencoder and classification on crops of which a share is changed."""
        changes = self._changes_of(crops)
        patches = self._changed_patches(crops, changes)
        encoded = self._encoded(patches)
        is_recorded = changes == 0
        z = patches[is_recorded].flatten(0, 1)
        residual = self.network.decode(encoded[is_recorded].flatten(0, 1)) - z
        reconstruction_loss = residual.float().square().mean()
        identity_loss = self._identity_loss_of(encoded, crops.machines, changes)
        if self.network.relative_input is not None:
            name = self.network.relative_input.subtracted
            self._trial_losses[name].append(identity_loss.detach())
        self.log(
            "identity_loss",
            identity_loss,
            on_step=False,
            on_epoch=True,
            batch_size=len(patches),
            sync_dist=True,
        )
        return self._weighted(reconstruction_loss, identity_loss)

    def _crops_validation_loss(self, crops: Crops) -> torch.Tensor:
        """The same loss, but the autoencoder's is of all crops as they were recorded."""
        reconstruction_loss = self._loss(self._patches_of(crops.frames).flatten(0, 1))
        changes = self._changes_of(crops)
        encoded = self._encoded(self._changed_patches(crops, changes))
        identity_loss = self._identity_loss_of(encoded, crops.machines, changes)
        return self._weighted(reconstruction_loss, identity_loss)

    def _weighted(
        self, reconstruction_loss: torch.Tensor, identity_loss: torch.Tensor
    ) -> torch.Tensor:
        return reconstruction_loss + self.config.identity.weight * identity_loss

    def _changes_of(self, crops: Crops) -> torch.Tensor:
        """(N,) 0 for a crop that stays as recorded, k for one that is moved by the k-th shift."""
        n_crops = len(crops.frames)
        return torch.arange(n_crops, device=self.device) % self.config.identity.n_changes

    def _changed_patches(self, crops: Crops, changes: torch.Tensor) -> torch.Tensor:
        """What the body reads of crops that are moved by their change.

        (N, n_patches, patch_frames, n_mels)
        """
        shifts = (0, *self.config.identity.band_shifts)
        z = self.network.standardised(crops.frames)
        each = zip(z, changes.tolist(), strict=True)
        moved = torch.stack([shifted(crop, shifts[change]) for crop, change in each])
        patches = self._patches_of(moved)
        return self.network.relative(patches.flatten(0, 1)).reshape(patches.shape)

    def _patches_of(self, frames: torch.Tensor) -> torch.Tensor:
        """Crops (N, n_frames, n_mels) -> (N, n_patches, patch_frames, n_mels)."""
        shape = (len(frames), -1, self.config.model.patch_frames, self.config.mel.n_mels)
        return frames.reshape(shape)

    def _encoded(self, patches: torch.Tensor) -> torch.Tensor:
        """z (N, n_patches, patch_frames, n_mels) -> (N, n_patches, C, patch_frames / 8)."""
        encoded = self.network.encode(patches.flatten(0, 1))
        return encoded.reshape(*patches.shape[:2], *encoded.shape[1:])

    def _identity_loss_of(
        self, encoded: torch.Tensor, machines: torch.Tensor, changes: torch.Tensor
    ) -> torch.Tensor:
        if self.network.identity is None or self.identity_loss is None:
            raise ConfigError("model.embedding is 0; crops need an identity embedding")
        pooled = pooled_over_time(encoded.flatten(0, 1)).reshape(*encoded.shape[:2], -1)
        embedding = self.network.identity(pooled.mean(dim=1))
        loss: torch.Tensor = self.identity_loss(embedding, machines, changes)
        return loss

    def on_train_epoch_start(self) -> None:
        self._trial_losses = {"level": [], "bands": []}

    def on_train_batch_start(self, batch: torch.Tensor | Crops, batch_index: int) -> None:
        # At each step, because a resumed run draws other numbers between the start of an epoch
        # and its first step.
        torch.manual_seed(self.config.training.seed * STEPS_PER_SEED + self.global_step)
        if self._is_trial() and self.network.relative_input is not None:
            self.network.relative_input.subtracted = "bands" if batch_index % 2 else "level"

    def on_validation_start(self) -> None:
        """Decide after each epoch of the trial: its network is then validated and stored."""
        if self._is_trial():
            self.decide(**{name: self._mean(each) for name, each in self._trial_losses.items()})

    def decide(self, level: float, bands: float) -> None:
        """Subtract the bands if machines are told apart at least as well without them.

        level, bands: mean identity loss of the steps of an epoch that subtracted each.
        """
        if self.network.relative_input is not None:
            self.network.relative_input.subtracted = "bands" if bands <= level else "level"

    def _is_trial(self) -> bool:
        if self.config.identity.relative_to != "auto" or self.network.relative_input is None:
            return False
        return self.current_epoch < math.ceil(TRIAL_SHARE * (self.trainer.max_epochs or 1))

    def _mean(self, losses: list[torch.Tensor]) -> float:
        """Over the steps of all processes."""
        if not losses:
            return math.inf
        means = self.all_gather(torch.stack(losses).mean())
        assert isinstance(means, torch.Tensor)  # one of each process
        return float(means.mean())

    def training_step(self, batch: torch.Tensor | Crops, batch_index: int) -> torch.Tensor:
        if isinstance(batch, Crops):
            loss = self._crops_loss(batch)
            size = len(batch.frames)
        else:
            loss = self._loss(batch)
            size = len(batch)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        return loss

    def validation_step(self, batch: torch.Tensor | Crops, batch_index: int) -> None:
        if isinstance(batch, Crops):
            loss = self._crops_validation_loss(batch)
            size = len(batch.frames)
        else:
            loss = self._loss(batch)
            size = len(batch)
        self.log("val_loss", loss, prog_bar=True, batch_size=size, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the rate warms up for an epoch, then falls by a cosine, unless it is constant."""
        training = self.config.training
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            # One pass over the weights saves a tenth of a step; old torch has none on Apple's GPU.
            fused=self.device.type != "mps",
        )
        if training.schedule == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        warm = max(1, steps // (self.trainer.max_epochs or 1))

        def share(step: int) -> float:
            progress = min(1.0, max(0, step - warm) / max(1, steps - warm))
            cosine = 0.5 + 0.5 * math.cos(math.pi * progress)
            return min(1.0, (step + 1) / warm) * (
                FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * cosine
            )

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[CHECKPOINT_KEY] = {"format": CHECKPOINT_FORMAT, "config": self.config.to_dict()}
