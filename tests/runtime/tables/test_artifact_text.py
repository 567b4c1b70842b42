"""The tables of `edgeae info`."""

from pathlib import Path

import pytest

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.tables.artifact_text import artifact_text, count, origin
from tests.conftest import Trained


def lines_of(detector: Detector, path: Path) -> list[str]:
    return artifact_text(detector, path, "self-test passed").splitlines()


def test_an_artifact_of_no_machine_says_what_to_do(trained: Trained) -> None:
    lines = lines_of(Detector.load(trained.int8), trained.int8)
    assert "  name                    none: calibrate the artifact before `edgeae run`" in lines
    assert not [line for line in lines if line.startswith("smallest change")]


def test_a_calibrated_artifact_shows_its_machine_and_the_smallest_changes(
    trained: Trained,
) -> None:
    recordings = sorted((trained.new / "train").glob("*.wav"))
    detector = calibrate_files(
        Detector.load(trained.int8), recordings, machine="pump", sensitivity=True, report=print
    )
    lines = lines_of(detector, trained.int8)
    assert "  name                    pump" in lines
    assert any(line.startswith("  sound") and line.endswith("in 1 session") for line in lines)
    changes = [line for line in lines if line.startswith("smallest change")]
    assert len(changes) == 1 and changes[0].endswith("1 minute  10 minutes")


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567, "1,234,567"), (1e20, 1e20), ("x", "x"), (None, None)]
)
def test_numbers_have_groups_of_three_digits(value: object, shown: object) -> None:
    assert count(value) == shown


def test_the_provenance_is_followed_as_far_as_it_goes(trained: Trained) -> None:
    detector = Detector.load(trained.int8)
    assert origin(detector, "config", "model", "name") is not None
    assert origin(detector, "config", "model", "name", "deeper") is None
    assert origin(detector, "nothing") is None


def test_what_the_provenance_does_not_state_is_a_dash(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "bare.onnx"
    Artifact.read(trained.int8).with_sections(provenance={}).write(path)
    lines = lines_of(Detector.load(path), path)
    assert "  multiply-adds           -" in lines
