"""The Lightning side of a training: when it stops, and what it refuses."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from edgeae.runtime.errors import ConfigError
from edgeae.train.config import load_config
from edgeae.train.lightning_module import AutoencoderModule
from edgeae.train.training import train
from tests.conftest import Maker
from tests.train.short_runs import At, tiny_config

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def sigint_not_ignored() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt; in the background of a shell it is ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_and_keeps_the_last_checkpoint(
    make_data: Maker, number: signal.Signals, sigint_not_ignored: None
) -> None:
    data, handler = make_data(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(
            data,
            tiny_config(),
            Path("run"),
            callbacks=[At(1, lambda: os.kill(os.getpid(), number))],
        )
    assert signal.getsignal(signal.SIGINT) == handler
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] == 0
    assert not Path("run/metrics.json").exists()


def test_training_stops_when_validation_does_not_improve(
    make_data: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(module: AutoencoderModule, *_: Any) -> None:
        module.log("val_loss", 1.0 + module.current_epoch)

    monkeypatch.setattr(AutoencoderModule, "validation_step", worse)
    run = train(make_data(), tiny_config("training.patience=2"), Path("worse"))
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 3


def test_a_loss_that_is_not_a_number_is_an_error(make_data: Maker) -> None:
    def spoil(trainer: pl.Trainer) -> None:
        for parameter in trainer.lightning_module.parameters():
            parameter.data.fill_(float("nan"))

    class Spoil(Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            spoil(trainer)

    with pytest.raises(ConfigError, match="the loss is not a number"):
        train(make_data(), tiny_config(), Path("run"), callbacks=[Spoil()])


def test_a_batch_that_does_not_fit_names_a_smaller_one(
    make_data: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(AutoencoderModule, "training_step", too_large)
    with pytest.raises(
        ConfigError, match=r"batch of 16 patches does not fit .* training.batch_size=8"
    ):
        train(make_data(), load_config("tiny", ["training.batch_size=16"]), tmp_path / "run")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="the accelerator that others lack")
def test_hardware_that_is_missing_is_said_before_anything_is_written(make_data: Maker) -> None:
    with pytest.raises(ConfigError, match=r"accelerator mps, .* are not available here"):
        train(make_data(), tiny_config("training.accelerator=mps"), Path("run"))
    assert not Path("run").exists()
