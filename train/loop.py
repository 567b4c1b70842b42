"""The Lightning side of a run: trainer, callbacks, what it says, and how it ends."""

import contextlib
import logging
import math
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
from edgeae.runtime.errors import ConfigError
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from .config import Config
from .data import PatchData
from .module import AutoencoderModule

LAST = "last"  # checkpoints/last.ckpt: where a resumed run goes on
NAME = "epoch{epoch:03d}-val_loss{val_loss:.6f}"
LINES = 10  # of progress for a whole run that nobody watches
NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and torch
    r"The '\w+' does not have many workers",  # a batch is one look-up in memory, faster than a worker
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
        if done % math.ceil(epochs / LINES) == 0 or done == epochs:
            values = trainer.callback_metrics
            print(
                f"{done} of {epochs} epochs: loss {values['loss']:.4f}, val_loss {values['val_loss']:.4f}",
                file=sys.stderr,
            )


def fit(module: AutoencoderModule, data: PatchData, config: Config, run: Path, callbacks: list[Callback]) -> Outcome:
    """Train in ``run``, from its last checkpoint where there is one.

    ``callbacks`` come on top of the run's own. Raises KeyboardInterrupt on SIGINT and SIGTERM; the
    last checkpoint is then that of the last complete epoch. Raises ConfigError where training diverges.
    """
    best, last = _checkpoints(run)
    timer, stop = Timer(), EarlyStopping("val_loss", patience=config.training.patience)
    progress = TQDMProgressBar() if sys.stderr.isatty() else Lines()
    with _quiet():
        trainer = _trainer(config, run, [timer, stop, best, last, progress, *callbacks])
        resumed = run / "checkpoints" / f"{LAST}.ckpt"
        _fit(trainer, module, data, resumed if resumed.exists() else None)
    if best.best_model_score is None or not math.isfinite(best.best_model_score):
        raise ConfigError(f"{run}: the loss is not a number; lower training.learning_rate or use precision 32-true")
    epoch = int(Path(best.best_model_path).name[len("epoch") :].partition("-")[0])
    return Outcome(float(best.best_model_score), epoch, trainer.current_epoch, timer.time_elapsed("train"))


def _checkpoints(run: Path) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """The best three, and the last: one callback for both would leave `last` behind after a worse epoch."""
    folder = run / "checkpoints"
    best = ModelCheckpoint(
        folder, NAME, monitor="val_loss", save_top_k=3, auto_insert_metric_name=False, save_on_train_epoch_end=True
    )
    last = ModelCheckpoint(folder, LAST, enable_version_counter=False, save_on_train_epoch_end=True)
    return best, last


def _trainer(config: Config, run: Path, callbacks: list[Callback]) -> pl.Trainer:
    training = config.training
    return pl.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        strategy=training.strategy,
        precision=training.precision,
        max_epochs=training.epochs,
        callbacks=callbacks,
        logger=TensorBoardLogger(run, name="tensorboard", version=""),
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,  # the loss of an untrained network is no news, and draws random numbers
        log_every_n_steps=1,
        deterministic=True,
    )


def _fit(trainer: pl.Trainer, module: AutoencoderModule, data: PatchData, resumed: Path | None) -> None:
    """`Trainer.fit`, where an interruption is one: Lightning turns it into ``sys.exit(1)``."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resumed)
    except SystemExit as error:
        raise KeyboardInterrupt from error
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
