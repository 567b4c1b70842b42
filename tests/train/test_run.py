import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from click.testing import CliRunner
from lightning.pytorch.callbacks import Callback

from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.train.cli import train as command
from edgeae.train.config import Config, load_config
from edgeae.train.lightning_module import AutoencoderModule
from edgeae.train.run import train
from edgeae.train.run_folder import best_checkpoint
from tests.conftest import Maker


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _tiny(*overrides: str) -> Config:
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


def _raise(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def _weights(run: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / name, weights_only=True)
    weights: dict[str, torch.Tensor] = state["state_dict"]
    return weights


def test_a_run_leaves_what_it_is_made_of(make_data: Maker) -> None:
    make_data(5)
    data = make_data(4, machine="id_02")
    run = train(data, _tiny(), Path("runs/mine"))
    assert load_config(run / "config.yaml") == _tiny()
    described = json.loads((run / "data.json").read_text())
    assert described["folder"] == str(data)
    assert len(described["fingerprint"]) == 64
    parts = [(item["machine"], item["part"]) for item in described["recordings"]]
    assert parts.count(("id_01", "validation")) == parts.count(("id_02", "validation")) == 1
    assert described["recordings"][0]["file"] == "train/normal_id_01_0000.wav"
    assert list((run / "tensorboard").glob("events*"))
    assert len(list((run / "checkpoints").glob("epoch*.ckpt"))) == 3
    assert (run / "checkpoints" / "last.ckpt").is_file()


def test_metrics_are_those_of_the_best_checkpoint(make_data: Maker) -> None:
    run = train(make_data(), _tiny(), Path("run"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert (
        best_checkpoint(run).name
        == f"epoch{metrics['epoch']:03d}-val_loss{metrics['val_loss']:.6f}.ckpt"
    )
    assert metrics["epochs"] == 4
    assert metrics["seconds"] > 0
    assert 150_000 < metrics["parameters"] < 190_000
    assert torch.__version__.startswith(metrics["versions"]["torch"])


def test_the_same_seed_gives_the_same_weights(make_data: Maker) -> None:
    data = make_data()
    runs = [
        train(data, _tiny(f"training.seed={seed}"), Path(name))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    one, again, other = (_weights(run)["network.body.0.weight"] for run in runs)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_killed_run_ends_as_it_would_have(make_data: Maker, epoch: int) -> None:
    data = make_data()
    whole = train(data, _tiny(), Path("whole"))
    with pytest.raises(RuntimeError, match="power cut"):
        train(data, _tiny(), Path("cut"), callbacks=[At(epoch, _raise(RuntimeError("power cut")))])
    cut = train(data, _tiny(), Path("cut"), resume=True)
    expected = _weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in _weights(cut).items())
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (whole, cut)]
    assert metrics[0]["val_loss"] == metrics[1]["val_loss"]
    assert best_checkpoint(cut).name == best_checkpoint(whole).name
    assert len(list((cut / "checkpoints").iterdir())) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_and_keeps_the_last_checkpoint(
    make_data: Maker, number: signal.Signals
) -> None:
    data, handler = make_data(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(data, _tiny(), Path("run"), callbacks=[At(1, lambda: os.kill(os.getpid(), number))])
    assert signal.getsignal(signal.SIGINT) == handler
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] == 0
    assert not Path("run/metrics.json").exists()


def test_training_stops_when_validation_does_not_improve(
    make_data: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(module: AutoencoderModule, *_: Any) -> None:
        module.log("val_loss", 1.0 + module.current_epoch)

    monkeypatch.setattr(AutoencoderModule, "validation_step", worse)
    run = train(make_data(), _tiny("training.patience=2"), Path("worse"))
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 3


def test_a_complete_run_has_nothing_to_resume(
    make_data: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_data()
    run = train(data, _tiny("training.epochs=1"), Path("run"))
    train(data, _tiny("training.epochs=1"), run, resume=True)
    assert "run is complete" in capsys.readouterr().err


def test_a_run_is_never_written_over(make_data: Maker) -> None:
    Path("run").mkdir()
    Path("run/notes.txt").touch()
    with pytest.raises(ConfigError, match="exists already; resume it with --resume"):
        train(make_data(), _tiny(), Path("run"))


def test_an_attempt_that_failed_on_its_data_can_be_repeated(make_data: Maker) -> None:
    data = make_data()
    bad = data / "train" / "normal_id_01_9999.wav"
    bad.touch()
    with pytest.raises(AudioError):
        train(data, _tiny("training.epochs=1"), Path("runs/mine"))
    assert not Path("runs/latest").is_symlink()
    bad.unlink()
    train(data, _tiny("training.epochs=1"), Path("runs/mine"))


def test_a_run_does_not_go_on_with_other_recordings(make_data: Maker) -> None:
    data = make_data()
    with pytest.raises(RuntimeError):
        train(data, _tiny(), Path("run"), callbacks=[At(1, _raise(RuntimeError()))])
    (data / "train" / "normal_id_01_0003.wav").unlink()
    with pytest.raises(ConfigError, match="not the recordings"):
        train(data, _tiny(), Path("run"), resume=True)


def test_latest_leads_to_the_newest_run(make_data: Maker) -> None:
    data = make_data()
    for name in ("one", "two"):
        train(data, _tiny("training.epochs=1"), Path("runs") / name)
        assert Path("runs/latest").readlink() == Path(name)
    train(data, _tiny("training.epochs=1"), Path("elsewhere"))
    assert Path("runs/latest").readlink() == Path("two")


def test_a_loss_that_is_not_a_number_is_an_error(make_data: Maker) -> None:
    def spoil(trainer: pl.Trainer) -> None:
        for parameter in trainer.lightning_module.parameters():
            parameter.data.fill_(float("nan"))

    class Spoil(Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            spoil(trainer)

    with pytest.raises(ConfigError, match="the loss is not a number"):
        train(make_data(), _tiny(), Path("run"), callbacks=[Spoil()])


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


def test_the_command_prints_the_run_alone_and_what_comes_next(make_data: Maker) -> None:
    data = make_data()
    result = CliRunner().invoke(command, [str(data), "-c", "tiny", "--set", "training.epochs=2"])
    assert result.exception is None
    run = Path(result.stdout.strip())
    assert run == Path("runs/latest").parent / Path("runs/latest").readlink()
    assert run.name.startswith("tiny-")
    assert "2 of 2 epochs" in result.stderr
    assert "validation loss" in result.stderr
    assert result.stderr.endswith(f"next: edgeae export {run} --int8\n")
    assert "warn" not in result.stderr.lower()
    assert "tip" not in result.stderr.lower()


def test_the_command_resumes_the_latest_run_with_its_own_data(make_data: Maker) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(
            make_data(), _tiny(), Path("runs/mine"), callbacks=[At(1, _raise(KeyboardInterrupt()))]
        )
    result = CliRunner().invoke(command, ["--resume"])
    assert result.exception is None
    assert result.stdout == "runs/mine\n"
    assert json.loads(Path("runs/mine/metrics.json").read_text())["epochs"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "runs/latest: no run to resume"),
        (["--resume", "-c", "edge"], "takes the configuration from RUN"),
        (["--resume", "--channel", "1"], "takes the configuration from RUN"),
        (["nowhere"], "nowhere: no such folder"),
        (["-c", "nothing"], "no such configuration"),
        (["--set", "training.epochs=0"], "training.epochs is 0"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(arguments: list[str], words: str) -> None:
    error = CliRunner().invoke(command, arguments).exception
    assert isinstance(error, ConfigError)
    assert words in str(error)


def test_the_command_passes_its_options_on(make_data: Maker) -> None:
    data = make_data()
    (data / "train" / "normal_id_01_9999.wav").touch()
    result = CliRunner().invoke(
        command,
        [
            str(data),
            "-c",
            "tiny",
            "--set",
            "training.epochs=1",
            "--skip-bad",
            "--channel",
            "mix",
            "-o",
            "run",
        ],
    )
    assert result.exception is None
    config = load_config("run/config.yaml")
    assert config.data.channel == "mix"
    assert config.data.skip_bad
    assert "normal_id_01_9999.wav" in result.stderr
    assert result.stderr.endswith("next: edgeae export run --int8\n")


def test_help_has_an_example() -> None:
    assert "Examples:" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="the accelerator that others lack")
def test_hardware_that_is_missing_is_said_before_anything_is_written(make_data: Maker) -> None:
    with pytest.raises(ConfigError, match=r"accelerator mps, .* are not available here"):
        train(make_data(), _tiny("training.accelerator=mps"), Path("run"))
    assert not Path("run").exists()


def test_the_threads_of_the_caller_are_left_as_they_were(make_data: Maker) -> None:
    before = torch.get_num_threads()
    train(make_data(), _tiny("training.epochs=1", f"training.threads={before + 1}"), Path("run"))
    assert torch.get_num_threads() == before
