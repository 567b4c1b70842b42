"""The Lightning side of a run: trainer, callbacks, progress, and the result."""

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
from lightning.pytorch.strategies import DDPStrategy

from edgeae.runtime.errors import ConfigError, EdgeaeError
from edgeae.runtime.system.process_pool import end_with_parent

from .checkpoint_files import WholeCheckpoints
from .checkpoint_network import load_network
from .config import Config
from .lightning_module import AutoencoderModule
from .patches import PatchData
from .processes import PREPARE_TIME, is_first, n_processes
from .run_folder import epoch_of

LAST = "last"  # checkpoints/last.ckpt: where a resumed run continues
CHECKPOINT_NAMES = {  # see `edgeae.train.config.TrainingConfig.checkpoint_name`
    "edgeae": "epoch{epoch:03d}-val_loss{val_loss:.6f}",
    "origin": "model-epoch={epoch:02d}-val_loss={val_loss:.4f}",
}
MAX_PROGRESS_LINES = 10  # of a whole run, where stderr is not a terminal
IGNORED_WARNINGS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and torch
    r"The '\w+' does not have many workers",  # a batch is read in a twentieth of the time of a step
    r"Checkpoint directory .* exists and is not empty",  # that is what a resumed run expects
)


@dataclass(frozen=True)
class Outcome:
    """The result of a training; epochs count from 0, as in the names of the checkpoints."""

    val_loss: float  # of the best epoch, squared standard deviations
    epoch: int  # the best one
    epochs: int  # number of trained epochs
    seconds: float  # of training, over all resumptions


class ProgressLines(Callback):
    """Prints a line on stderr now and then, where a progress bar would only fill a log."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        done = trainer.current_epoch + 1
        epochs = trainer.max_epochs or 1
        is_due = done % math.ceil(epochs / MAX_PROGRESS_LINES) == 0 or done == epochs
        if trainer.is_global_zero and is_due:
            loss = trainer.callback_metrics["loss"]
            val_loss = trainer.callback_metrics["val_loss"]
            line = f"{done} of {epochs} epochs: loss {loss:.4f}, val_loss {val_loss:.4f}"
            print(line, file=sys.stderr)


class EndWithParent(Callback):
    """Ends the processes of the other devices when the one that has started them is killed."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        end_with_parent()


class InterruptOnTerminate(Callback):
    """Interrupts a process that a launcher has started when SIGTERM comes.

    Lightning's own handler waits for the other processes, which may wait for this one.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def make_trainer(config: Config, run: Path, callbacks: Sequence[Callback]) -> pl.Trainer:
    """The trainer of a run, with ``callbacks`` in addition to its own.

    It writes nothing before `fit`.

    Raises ConfigError where the accelerator, the devices or the precision are not available, or the
    processes that were started are not those of the configuration.
    """
    training = config.training
    strategy = _strategy(config)
    own: list[Callback] = [
        EndWithParent(),
        Timer(),
        EarlyStopping("val_loss", patience=training.patience),
        *_checkpoints(run, training.checkpoint_name),
    ]
    if n_processes() > 1:
        own.append(InterruptOnTerminate())
    progress = TQDMProgressBar() if sys.stderr.isatty() else ProgressLines()
    try:
        with _quiet():
            trainer = pl.Trainer(
                accelerator=training.accelerator,
                devices=training.devices,
                num_nodes=training.num_nodes,
                strategy=strategy,
                precision=training.precision,
                max_epochs=-1,  # `fit` knows how many the data deserves
                callbacks=[*own, progress, *callbacks],
                logger=TensorBoardLogger(run, name="tensorboard", version=""),
                enable_progress_bar=sys.stderr.isatty(),
                plugins=[WholeCheckpoints()],
                enable_model_summary=False,
                # The loss of an untrained network is of no use, and draws random numbers.
                num_sanity_val_steps=0,
                log_every_n_steps=1,
                deterministic=True,
            )
            # Lightning itself would wait for processes that were not started.
            environment = getattr(trainer.strategy, "cluster_environment", None)
            if n_processes() > 1 and environment is not None:
                environment.validate_settings(trainer.num_devices, training.num_nodes)
            return trainer
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"training: accelerator {training.accelerator}, devices {training.devices}, num_nodes "
            f"{training.num_nodes}, precision {training.precision} are not available here "
            f"({reason})"
        ) from error


def _strategy(config: Config) -> str | DDPStrategy:
    """``ddp_spawn`` on several devices: a process each, spawned within `fit`.

    Lightning's own choice would run the command again. Processes that a launcher has started are
    not started again.
    """
    training = config.training
    if n_processes() > 1:
        if training.strategy == "ddp_spawn":
            raise ConfigError(
                "training.strategy is ddp_spawn, which starts its processes itself; "
                "leave srun or torchrun out, or use ddp"
            )
        return DDPStrategy(timeout=PREPARE_TIME)
    if training.num_nodes > 1 or training.strategy == "ddp":
        raise ConfigError(
            f"training.num_nodes is {training.num_nodes} and training.strategy "
            f"{training.strategy}, but this is the only process; start it with srun or torchrun"
        )
    devices = training.devices
    if devices == "auto":
        devices = torch.cuda.device_count() if training.accelerator in ("auto", "gpu") else 1
    return "ddp_spawn" if devices > 1 else training.strategy


def connect(trainer: pl.Trainer) -> None:
    """Connect the processes that a launcher has started; `fit` finds them connected."""
    if n_processes() > 1:
        with _quiet():
            trainer.strategy.setup_environment()


def _checkpoints(run: Path, name: str) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """The callbacks that keep the best three checkpoints, and the last one.

    name: of `CHECKPOINT_NAMES`.

    One callback for both would not update the last one after an epoch that is none of the best.
    """
    folder = run / "checkpoints"
    best = ModelCheckpoint(
        folder,
        CHECKPOINT_NAMES[name],
        monitor="val_loss",
        save_top_k=3,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=True,
    )
    last = ModelCheckpoint(folder, LAST, enable_version_counter=False, save_on_train_epoch_end=True)
    return best, last


def fit(
    trainer: pl.Trainer, module: AutoencoderModule, data: PatchData, run: Path
) -> Outcome | None:
    """Train in ``run``, after its last checkpoint where there is one.

    Returns the result, or None in another process than the first one.

    Raises KeyboardInterrupt on SIGINT and SIGTERM; the last checkpoint is then that of the last
    complete epoch. Raises ConfigError where training diverges, or a batch does not fit into the
    device.
    """
    last = run / "checkpoints" / f"{LAST}.ckpt"
    if last.exists():
        # Refuses a pickle that holds more than weights, before Lightning loads it.
        load_network(last)
    trainer.fit_loop.max_epochs = data.n_epochs
    with _quiet():
        _fit(trainer, module, data, last if last.exists() else None)
    return _outcome(last, data.config.training.checkpoint_name) if is_first() else None


def _outcome(last: Path, name: str) -> Outcome:
    """The result as the last checkpoint holds it.

    On several devices the callbacks were in other processes.
    """
    state = torch.load(last, map_location="cpu", weights_only=True)
    best, _ = (
        state["callbacks"][callback.state_key]
        for callback in _checkpoints(last.parent.parent, name)
    )
    val_loss = float(best["best_model_score"])
    if not math.isfinite(val_loss):
        raise ConfigError(
            f"{last}: the loss is not a number; lower training.learning_rate "
            f"or use precision 32-true"
        )
    epoch = epoch_of(Path(best["best_model_path"]))
    seconds = float(state["callbacks"][Timer().state_key]["time_elapsed"]["train"])
    return Outcome(val_loss, epoch, state["epoch"] + 1, seconds)


def _fit(
    trainer: pl.Trainer, module: AutoencoderModule, data: PatchData, resumed: Path | None
) -> None:
    """`Trainer.fit`, which raises KeyboardInterrupt where Lightning calls ``sys.exit(1)``."""
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
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        raise EdgeaeError(
            "training: another process of this training has ended; see its message, then continue "
            "with --resume"
        ) from error
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where Lightning set nothing
            signal.signal(signal.SIGINT, handler)


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether an error of a step means that another process has ended."""
    if isinstance(error, torch.distributed.DistError):  # of NCCL
        return True
    text = str(error)  # gloo has no type of its own
    return n_processes() > 1 and "gloo" in text and "onnection" in text


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Lightning's advice, and keep its progress bar on stderr: stdout is for data."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
