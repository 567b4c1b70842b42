"""Recordings without labels get scores and decisions, as the DCASE challenge takes them."""

import csv
import shutil
from pathlib import Path

import pytest

from edgeae.evaluate.results.challenge import (
    UnlabelledScore,
    score_unlabelled,
    unlabelled_recordings,
    write_challenge_files,
)
from edgeae.evaluate.results.scores import EvaluationOptions
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained


@pytest.fixture(scope="module")
def evaluation_set(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new machine as a section of an evaluation set: its test recordings have no labels."""
    data = tmp_path_factory.mktemp("evaluation") / "fan"
    for split in ("train", "test"):
        (data / split).mkdir(parents=True)
    for number, path in enumerate(sorted((trained.new / "train").glob("*.wav"))):
        shutil.copy(path, data / "train" / f"section_00_source_train_normal_{number:04}.wav")
    for number, path in enumerate(sorted((trained.new / "test").glob("*.wav"))[:4]):
        shutil.copy(path, data / "test" / f"section_00_{number:04}.wav")
    return data


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_test_with_labels_is_no_evaluation_set(trained: Trained, evaluation_set: Path) -> None:
    assert unlabelled_recordings(trained.new) == []
    assert len(unlabelled_recordings(evaluation_set)) == 4


def test_the_command_writes_two_files_for_a_section(
    trained: Trained, evaluation_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [trained.int8, evaluation_set, "--calibration-clips", 5, "-o", tmp_path]
    assert run_command(["evaluate", *map(str, arguments)]) == 0
    names = ["anomaly_score_fan_section_00_test.csv", "decision_result_fan_section_00_test.csv"]
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == names
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    scores, decisions = (rows(tmp_path / name) for name in names)
    files = [f"section_00_{number:04}.wav" for number in range(4)]
    assert [row[0] for row in scores] == [row[0] for row in decisions] == files
    assert len({float(row[1]) for row in scores}) == 4
    assert {row[1] for row in decisions} <= {"0", "1"}


def test_a_decision_compares_the_score_with_the_threshold(
    trained: Trained, evaluation_set: Path
) -> None:
    detector = Detector.load(trained.int8)
    options = EvaluationOptions()
    paths = unlabelled_recordings(evaluation_set)
    results = score_unlabelled(detector, evaluation_set, paths, options, print)
    assert [result.anomaly for result in results] == [
        result.score > detector.threshold.value for result in results
    ]


def test_a_section_without_training_recordings_is_refused(
    trained: Trained, evaluation_set: Path
) -> None:
    detector = Detector.load(trained.int8)
    options = EvaluationOptions(calibration_clips=50)
    paths = unlabelled_recordings(evaluation_set)
    with pytest.raises(ConfigError, match="section_00 has 6 training recordings"):
        score_unlabelled(detector, evaluation_set, paths, options, print)


def test_each_section_has_files_of_its_own(tmp_path: Path) -> None:
    scores = [
        UnlabelledScore("section_00_0000.wav", "section_00", 0.5, anomaly=False),
        UnlabelledScore("section_01_0000.wav", "section_01", 1.5, anomaly=True),
    ]
    written = write_challenge_files(tmp_path, "pump", scores)
    assert len(written) == 4
    assert rows(tmp_path / "decision_result_pump_section_01_test.csv") == [
        ["section_01_0000.wav", "1"]
    ]
