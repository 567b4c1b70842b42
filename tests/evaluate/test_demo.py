"""The demo runs every step of the path and prints what came out."""

import csv
from pathlib import Path

import pytest

from edgeae.evaluate.demo import DemoSize, demo_steps, fault_table, most_severe, run_demo
from edgeae.runtime.commands.cli import run_command

SMALL = DemoSize(train_clips=10, test_normals=3, test_anomalies=4, seconds=4.0)


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the demo has written when everything is evaluated."""
    faults = [("a.wav", "bearing", "0.2"), ("b.wav", "bearing", "0.9"), ("c.wav", "rubbing", "0.5")]
    _write(
        tmp_path / "new-machine" / "faults.csv",
        [{"file": f"test/{file}", "fault": fault, "severity": s} for file, fault, s in faults],
    )
    scores = [("n.wav", "normal", "1"), ("a.wav", "anomaly", "0"), ("b.wav", "anomaly", "3")]
    scores.append(("c.wav", "anomaly", "2"))
    _write(
        tmp_path / "report" / "anomaly_scores.csv",
        [
            {"file": file, "label": label, "score": score, "anomaly": str(float(score) > 1.5)}
            for file, label, score in scores
        ],
    )
    return tmp_path


def test_the_table_has_the_auc_of_each_fault(folder: Path) -> None:
    _, *lines = fault_table(folder)
    assert [line.split() for line in lines] == [
        ["bearing", "2", "0.500", "1"],
        ["rubbing", "1", "1.000", "1"],
        ["(normal)", "1", "0"],
    ]


def test_the_most_severe_recording_of_each_fault_is_scored_at_the_end(folder: Path) -> None:
    test = folder / "new-machine" / "test"
    assert set(most_severe(folder / "new-machine")) == {test / "b.wav", test / "c.wav"}
    last = demo_steps(folder, "tiny")[-1].arguments
    assert last[0] == "run"
    assert {str(test / "b.wav"), str(test / "c.wav")} < set(last)


def test_a_folder_that_holds_something_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert run_command(["demo", "-o", str(folder)]) == 2
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
    assert "edgeae run machine.onnx --device hw:1" in out
    assert (folder / "machine.onnx").is_file()
    assert run_command(["demo", "-o", str(folder)]) == 2
