"""The file with the state of a machine, whatever it keeps."""

import json
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.state_file import StateFile, StateKind
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.schema import JsonObject

KIND = StateKind("--keep", "a keeper's file", "the number", "counting starts again")


class Counter:
    """Keeps a number."""

    def __init__(self, path: Path, detector: Detector) -> None:
        self.file = StateFile(path, detector, KIND)
        self.number = 0
        self.file.restore(self.apply)

    def apply(self, state: JsonObject) -> None:
        self.number = int(state["number"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def test_a_state_is_restored(path: Path, calibrated: Detector) -> None:
    Counter(path, calibrated).file.save({"number": 7})
    assert Counter(path, calibrated).number == 7
    assert json.loads(path.read_text())["machine"] == calibrated.machine


def test_without_a_file_nothing_is_restored(path: Path, calibrated: Detector) -> None:
    assert Counter(path, calibrated).number == 0
    assert not path.exists()


@pytest.mark.parametrize("number", ["x", None, [], 1e400])
def test_a_state_that_its_owner_cannot_read_is_damaged(
    path: Path, calibrated: Detector, number: object, capsys: pytest.CaptureFixture[str]
) -> None:
    Counter(path, calibrated).file.save({"number": number})
    assert Counter(path, calibrated).number == 0
    assert path.with_name("state.json.damaged").exists()
    assert "counting starts again" in capsys.readouterr().err


def test_a_file_that_is_too_large_is_not_read(path: Path, calibrated: Detector) -> None:
    path.write_bytes(b" " * (1 << 20) + b"1")
    with pytest.raises(ConfigError, match=r"--keep .* is not a keeper's file"):
        Counter(path, calibrated)


def test_a_file_that_cannot_be_written_is_refused_at_the_start(
    tmp_path: Path, calibrated: Detector
) -> None:
    counter = Counter(tmp_path / "missing" / "state.json", calibrated)
    with pytest.raises(ConfigError, match="choose another place"):
        counter.file.save_first({"number": 1})
    assert "the number cannot be saved" in counter.file.try_to_save({"number": 1})
