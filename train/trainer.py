"""The Lightning side of a run: trainer, callbacks, what it says, and how it ends."""

import contextlib
import logging
import math
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    Timer,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger

from edgeae.runtime.errors import ConfigError

from .config import Config
from .lightning_module import AutoencoderModule, load_network
from .patches import PatchData

LAST = "last"  # checkpoints/last.ckpt: where a resumed run goes on
NAME = "epoch{epoch:03d}-val_loss{val_loss:.6f}"
LINES = 10  # of progress for a whole run that nobody watches
NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and torch
    r"The '\w+' does not have many workers",  # a batch is read in a twentieth of the time of a step
    r"Checkpoint directory .* exists and is not empty",  # that is what a resumed run expects
)


@dataclass(frozen=True)
class Outcome:
    """What a run came to; epochs count from 0, as in the names of the checkpoints."""

    val_loss: float  # of the best epoch, squared standard deviations
    epoch: int  # the best one
    epochs: int  # how many were trained
    seconds: float  # of training, over all resumptions


class Lines(Callback):
    """A line on stderr now and then, where a progress bar would only fill a log."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        if trainer.is_global_zero and (done % math.ceil(epochs / LINES) == 0 or done == epochs):
            values = trainer.callback_metrics
            print(
                f"{done} of {epochs} epochs: loss {values['loss']:.4f}, val_loss {values['val_loss']:.4f}",
                file=sys.stderr,
            )


def make_trainer(config: Config, run: Path, callbacks: Sequence[Callback]) -> pl.Trainer:
    """The trainer of a run, with ``callbacks`` on top of its own; it writes nothing before `fit`.

    Raises ConfigError where the accelerator, devices or precision asked for are not to be had.
    """
    training = config.training
    own = [Timer(), EarlyStopping("val_loss", patience=training.patience), *_checkpoints(run)]
    progress = TQDMProgressBar() if sys.stderr.isatty() else Lines()
    try:
        with _quiet():
            return pl.Trainer(
                accelerator=training.accelerator,
                devices=training.devices,
                strategy=_strategy(config),
                precision=training.precision,
                max_epochs=training.epochs,
                callbacks=[*own, progress, *callbacks],
                logger=TensorBoardLogger(run, name="tensorboard", version=""),
                enable_progress_bar=sys.stderr.isatty(),
                enable_model_summary=False,
                num_sanity_val_steps=0,  # the loss of an untrained network is no news, and draws random numbers
                log_every_n_steps=1,
                deterministic=True,
            )
    except (MisconfigurationException, ValueError) as error:
        wanted = f"accelerator {training.accelerator}, devices {training.devices}, precision {training.precision}"
        raise ConfigError(
            f"training: {wanted} cannot be had here ({' '.join(str(error).split())})"
        ) from error


def _strategy(config: Config) -> str:
    """On several devices a process each, spawned within `fit`: Lightning's own choice runs the command again."""
    training = config.training
    devices = training.devices
    if devices == "auto":
        devices = torch.cuda.device_count() if training.accelerator in ("auto", "gpu") else 1
    return "ddp_spawn" if devices > 1 else training.strategy


def _checkpoints(run: Path) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """The best three, and the last: one callback for both would leave `last` behind after a worse epoch."""
    folder = run / "checkpoints"
    best = ModelCheckpoint(
        folder,
        NAME,
        monitor="val_loss",
        save_top_k=3,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=True,
    )
    last = ModelCheckpoint(folder, LAST, enable_version_counter=False, save_on_train_epoch_end=True)
    return best, last


def fit(trainer: pl.Trainer, module: AutoencoderModule, data: PatchData, run: Path) -> Outcome:
    """Train in ``run``, behind its last checkpoint where there is one.

    Raises KeyboardInterrupt on SIGINT and SIGTERM; the last checkpoint is then that of the last
    complete epoch. Raises ConfigError where training diverges, or a batch does not fit into the device.
    """
    last = run / "checkpoints" / f"{LAST}.ckpt"
    if last.exists():
        load_network(
            last
        )  # a pickle that does more than hold weights is refused before Lightning loads it
    with _quiet():
        _fit(trainer, module, data, last if last.exists() else None)
    return _outcome(last)


def _outcome(last: Path) -> Outcome:
    """What the last checkpoint remembers: on several devices the callbacks lived in other processes."""
    state = torch.load(last, map_location="cpu", weights_only=True)
    best, _ = (
        state["callbacks"][callback.state_key] for callback in _checkpoints(last.parent.parent)
    )
    val_loss = float(best["best_model_score"])
    if not math.isfinite(val_loss):
        raise ConfigError(
            f"{last}: the loss is not a number; lower training.learning_rate or use precision 32-true"
        )
    epoch = int(Path(best["best_model_path"]).name[len("epoch") :].partition("-")[0])
    seconds = float(state["callbacks"][Timer().state_key]["time_elapsed"]["train"])
    return Outcome(val_loss, epoch, state["epoch"] + 1, seconds)


def _fit(
    trainer: pl.Trainer, module: AutoencoderModule, data: PatchData, resumed: Path | None
) -> None:
    """`Trainer.fit`, where an interruption is one: Lightning turns it into ``sys.exit(1)``."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resumed)
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except torch.OutOfMemoryError as error:
        batch = data.config.training.batch_size
        raise ConfigError(
            f"training: a batch of {batch} patches does not fit into the memory of the device; "
            f"use --set training.batch_size={max(1, batch // 2)}, or --set training.accelerator=cpu"
        ) from error
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where Lightning set nothing
            signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice out of the terminal, and its progress bar on stderr: stdout is data."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        for message in NOISE:
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            logger.setLevel(level)
