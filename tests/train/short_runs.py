"""Short trainings, and what may happen in the middle of one."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from edgeae.train.config import Config, load_config


def tiny_config(*overrides: str) -> Config:
    """The preset ``tiny``, with four epochs of small batches and these changes."""
    return load_config(
        "tiny",
        [
            "training.epochs=4",
            "training.batch_size=16",
            "data.patch_step=8",
            "model.dropout=[0.1]",
            *overrides,
        ],
    )


class At(Callback):
    """Do something in the middle of an epoch."""

    def __init__(self, epoch: int, act: Callable[[], Any]) -> None:
        self.epoch, self.act = epoch, act

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == self.epoch and trainer.global_step % 2:
            self.act()


def raising(error: BaseException) -> Callable[[], None]:
    """A function that raises this error."""

    def act() -> None:
        raise error

    return act
