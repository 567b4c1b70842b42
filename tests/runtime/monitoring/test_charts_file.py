"""`--state`: what charts have learned survives a restart, and what is damaged does no harm."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from monitored_sound import monitored_windows

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.charts_file import ChartsFile, ChartsFileLimits
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained


@pytest.fixture(scope="module")
def content(calibrated: Detector, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a file after ten minutes of sound."""
    path = tmp_path_factory.mktemp("learned") / "state.json"
    with ChartsFile(path, calibrated) as memory:
        for window in monitored_windows(calibrated, 10):
            memory.charts.push(window, learnable=True)
    return path.read_text()


@pytest.fixture
def path(content: str, tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_text(content)
    return path


def refusal(path: Path, detector: Detector) -> str:
    with pytest.raises(ConfigError) as caught:
        ChartsFile(path, detector)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_was_learned_and_pooled_survives_a_restart(path: Path, calibrated: Detector) -> None:
    charts = ChartsFile(path, calibrated).charts
    assert charts.sound.n_learned >= 4
    assert charts.judged_minutes == (1, 4)


def test_the_bursts_of_each_hour_survive_a_restart(path: Path, calibrated: Detector) -> None:
    with ChartsFile(path, calibrated) as memory:
        memory.hours.extend([0, 3, 7])
    assert list(ChartsFile(path, calibrated).hours)[-3:] == [0, 3, 7]


def test_after_hours_only_the_learned_sound_stays(path: Path, calibrated: Detector) -> None:
    state = json.loads(path.read_text())
    saved = datetime.now(UTC) - timedelta(hours=2)
    path.write_text(json.dumps({**state, "saved": saved.isoformat()}))
    charts = ChartsFile(path, calibrated).charts
    assert charts.sound.n_learned == state["n_learned"]
    assert charts.judged_minutes == (1,)
    assert charts.active_minutes[:2] == (1, 4)


def test_the_state_of_another_machine_is_refused_and_kept(path: Path, calibrated: Detector) -> None:
    before = path.read_bytes()
    head = {**calibrated.artifact.sections["head"], "machine": "id_04"}
    assert "belongs to id_03" in refusal(path, calibrated.with_sections(head=head))
    assert path.read_bytes() == before


def test_the_state_of_an_earlier_calibration_is_moved_away(
    path: Path, calibrated: Detector, capsys: pytest.CaptureFixture[str]
) -> None:
    other = calibrated.with_sections(threshold=replace(calibrated.threshold, value=9.0))
    before = path.read_bytes()
    assert ChartsFile(path, other).charts.sound.n_learned == 0
    assert path.with_name("state.json.earlier").read_bytes() == before
    assert "belongs to another calibration of the machine" in capsys.readouterr().err


def test_a_state_from_before_bursts_were_kept_is_continued(
    path: Path, calibrated: Detector
) -> None:
    state = json.loads(path.read_text())
    del state["bursts"]
    path.write_text(json.dumps(state))
    memory = ChartsFile(path, calibrated)
    assert memory.charts.sound.n_learned == state["n_learned"]
    assert not memory.hours


@pytest.mark.parametrize(
    "change",
    [
        {"n_learned": "x"},
        {"minutes": "?"},
        {"saved": "2026"},
        {"bursts": [-1]},
        {"bursts": ["3"]},
        {"bursts": 3},
    ],
)
def test_a_damaged_state_is_moved_away_and_learning_starts_again(
    path: Path,
    calibrated: Detector,
    change: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert ChartsFile(path, calibrated).charts.sound.n_learned == 0
    assert path.with_name("state.json.damaged").exists()
    assert "learning starts again" in capsys.readouterr().err


def test_a_newer_state_and_a_tracker_s_file_are_refused(path: Path, calibrated: Detector) -> None:
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "format": 2}))
    assert "has the format 2, this edgeae reads 1" in refusal(path, calibrated)
    path.write_text("{}")
    assert "is not a file of learned sound" in refusal(path, calibrated)


def test_an_artifact_without_charts_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--state .* run `edgeae calibrate`"):
        ChartsFile(tmp_path / "state.json", Detector.load(trained.int8))


def test_one_process_keeps_a_state(path: Path, calibrated: Detector) -> None:
    with ChartsFile(path, calibrated):
        other = ChartsFile(path, calibrated)
        with pytest.raises(ConfigError, match=r"state\.json: another process uses it"):
            other.__enter__()


def test_it_is_saved_every_ten_minutes_of_sound(tmp_path: Path, calibrated: Detector) -> None:
    path = tmp_path / "state.json"
    memory = ChartsFile(path, calibrated, ChartsFileLimits(save_seconds=600.0))
    before = json.loads(path.read_text())["n_learned"]
    memory.charts.sound.n_learned += 1
    assert memory.update(599.0) is None
    assert json.loads(path.read_text())["n_learned"] == before
    assert memory.update(1.0) is None
    assert json.loads(path.read_text())["n_learned"] == before + 1


def test_a_full_disk_is_reported_once(
    tmp_path: Path, calibrated: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = ChartsFile(tmp_path / "state.json", calibrated)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgeae.runtime.monitoring.state_file.replace_file", full)
    failure = memory.update(600.0)
    assert failure is not None
    assert "the learned sound cannot be saved (No space left on device)" in failure
    assert memory.update(600.0) is None
