"""The command `train`: its options, what it prints, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.train.cli import train as command
from edgeae.train.config import load_config
from edgeae.train.training import train
from tests.conftest import Maker
from tests.train.short_runs import At, raising, tiny_config

pytestmark = pytest.mark.usefixtures("elsewhere")


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
            make_data(),
            tiny_config(),
            Path("runs/mine"),
            callbacks=[At(1, raising(KeyboardInterrupt()))],
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
        (["--resume", "--background", "off.wav"], "takes the configuration from RUN"),
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
    shutil.copy(min((data / "train").iterdir()), "off.wav")
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
            "--background",
            "off.wav",
            "-o",
            "run",
        ],
    )
    assert result.exception is None
    config = load_config("run/config.yaml")
    assert config.data.channel == "mix"
    assert config.data.skip_bad
    assert config.data.background == (str(Path("off.wav").resolve()),)
    assert "normal_id_01_9999.wav" in result.stderr
    assert result.stderr.endswith("next: edgeae export run --int8\n")


def test_a_background_that_cannot_be_read_is_reported_before_the_training(
    make_data: Maker,
) -> None:
    arguments = [str(make_data()), "-c", "tiny", "-o", "run", "--background", "nothing.wav"]
    error = CliRunner().invoke(command, arguments).exception
    assert isinstance(error, AudioError)
    assert str(Path("nothing.wav").resolve()) in str(error)
    assert not list(Path("run").glob("checkpoints/*"))


def test_help_has_an_example() -> None:
    assert "Examples:" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize(
    ("arguments", "override"),
    [
        (["--epochs", "5"], "training.epochs=5"),
        (["data", "--epochs=5"], "training.epochs=5"),
        (["--batch-size", "32", "data"], "training.batch_size=32"),
        (["--lr", "1e-3"], "training.learning_rate=1e-3"),
        (["--seed"], "training.seed=VALUE"),
        (["--device", "cpu"], "training.accelerator=cpu"),
        (["--window", "5"], "scoring.window=5"),
    ],
)
def test_an_option_that_is_a_value_of_the_configuration_is_answered_with_set(
    arguments: list[str], override: str
) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert f"give --set {override}\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [(["--preset", "tiny"], "-c tiny"), (["--output-dir=x"], "-o x"), (["--model"], "-c VALUE")],
)
def test_an_option_of_another_program_is_answered_with_the_one_here(
    arguments: list[str], advice: str
) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert f"give {advice}\n" in result.stderr


@pytest.mark.parametrize("option", ["--name", "--bogus"])
def test_another_unknown_option_gets_no_such_advice(option: str) -> None:
    result = CliRunner().invoke(command, [option, "5"])
    assert result.exit_code == 2
    assert "--set" not in result.stderr


def test_an_interrupted_training_prints_how_to_continue(
    make_data: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data()
    run = Path("runs/my run")

    def interrupted(*_: object, **__: object) -> None:
        train(data, tiny_config(), run, callbacks=[At(1, raising(KeyboardInterrupt()))])

    monkeypatch.setattr("edgeae.train.training.train", interrupted)
    result = CliRunner().invoke(command, [str(data), "-c", "tiny", "-o", str(run)])
    assert result.exit_code != 0
    assert "to continue: edgeae train --resume -o 'runs/my run'\n" in result.stderr


def test_an_interruption_before_anything_is_written_promises_nothing(
    make_data: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeae.train.training.train", interrupted)
    result = CliRunner().invoke(command, [str(make_data()), "-c", "tiny"])
    assert result.exit_code != 0
    assert "--resume" not in result.stderr
