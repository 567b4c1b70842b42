"""The demo runs every step of the path and prints what came out."""

import re
from pathlib import Path

import pytest

from edgeae.evaluate.demo import DemoSize, DemoStep, demo_steps, run_demo
from edgeae.runtime.commands.cli import run_command

SMALL = DemoSize(
    train_clips=10,
    test_normals=3,
    test_anomalies=4,
    seconds=4.0,
    normal_seconds=12.0,
    fault_seconds=12.0,
)


def test_the_long_recordings_are_monitored_by_an_ordinary_run(tmp_path: Path) -> None:
    (tmp_path / "monitored").mkdir()
    names = ("normal.wav", "bearing.wav")
    for name in names:
        (tmp_path / "monitored" / name).touch()
    step = demo_steps(tmp_path, "tiny")[-1]
    assert step.arguments[0] == "run"
    assert {str(tmp_path / "monitored" / name) for name in names} < set(step.arguments)
    assert step.command_line.endswith(f"--json > {tmp_path / 'monitored.jsonl'}")


def test_a_step_with_an_output_prints_into_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "help.txt"
    assert DemoStep("Help", ["run", "--help"], output).run() == 0
    assert "--device" in output.read_text()
    assert capsys.readouterr().out == ""


def test_a_folder_that_holds_something_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    assert run_command(["demo", "-o", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_configuration_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    assert run_command(["demo", "-o", str(tmp_path / "demo"), "-c", "no-such-preset"]) == 2
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_demo_runs_from_sound_to_summary(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    assert run_demo(folder, "tiny", 0, SMALL) == 0
    out = capsys.readouterr().out
    for fault in ("imbalance", "bearing", "rubbing", "lost_blade", "(normal)"):
        assert fault in out
    for fault in ("imbalance", "bearing", "rubbing", "lost_blade"):
        assert re.search(rf"^{fault} +no alarm$", out, re.MULTILINE)  # too short for one
    assert "False alarms in 0 minutes of normal sound: 0" in out
    assert "a fault lasts and a slammed door does not" in out
    assert "edgeae run machine.onnx --device hw:1" in out
    assert (folder / "machine.onnx").is_file()
    assert run_command(["demo", "-o", str(folder)]) == 2
