"""The state of a tracker: it survives restarts, and what is foreign or damaged does no harm."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.live.limits import RunLimits
from edgeae.runtime.monitoring.drift import DEFAULT_LIMITS, DRIFTED, DriftLimits, DriftStatus
from edgeae.runtime.monitoring.drift_file import DriftFile
from edgeae.runtime.outputs.lines import StatusLine
from edgeae.runtime.scoring.detector import Detector, Result
from edgeae.runtime.scoring.window_stream import Window
from tests.conftest import Trained

fixed = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def machine(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracked") / "machine.onnx"
    clips = audio_files(trained.new / "train")
    calibrated = calibrate_files(Detector.load(trained.int8), clips, machine="id_03", report=print)
    seldom = replace(
        calibrated.threshold, value=6.0
    )  # above what it scores where two of its clips are joined
    calibrated.with_sections(threshold=seldom).artifact.write(path)
    return path


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture
def state(detector: Detector, tmp_path: Path) -> Path:
    """The file of a tracker that has drifted."""
    path = tmp_path / "track.json"
    with DriftFile(path, detector) as track:
        track.tracker.set_drift(np.linspace(-0.1, 0.2, len(track.tracker.drift)))
        track.tracker.learned_seconds = 1234.5
    return path


def refusal(path: Path, detector: Detector) -> str:
    with pytest.raises(ConfigError) as caught:
        DriftFile(path, detector)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_tracked_survives_a_restart(state: Path, detector: Detector) -> None:
    before = json.loads(state.read_text())
    tracker = DriftFile(state, detector).tracker
    np.testing.assert_array_equal(tracker.drift, before["drift"])
    assert np.abs(tracker.drift).max() > 0.01
    assert (tracker.learned_seconds, before["machine"]) == (1234.5, "id_03")
    assert state.stat().st_size < 8000


def test_a_state_cannot_say_more_than_the_bound_allows(state: Path, detector: Detector) -> None:
    content = json.loads(state.read_text())
    state.write_text(json.dumps({**content, "drift": [50.0] * len(content["drift"])}))
    assert DriftFile(state, detector).tracker.distance == pytest.approx(1)


def test_the_state_of_another_calibration_is_refused(state: Path, detector: Detector) -> None:
    threshold = {**detector.artifact.sections["threshold"], "value": 9.0}
    assert "delete it to start again" in refusal(state, detector.with_sections(threshold=threshold))
    before = state.read_bytes()
    section = {**detector.artifact.sections["head"], "machine": "id_04"}
    assert "id_03" in refusal(state, detector.with_sections(head=section))
    assert state.read_bytes() == before


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"volume": 11}'])
def test_a_file_that_is_something_else_is_refused_and_kept(
    tmp_path: Path, detector: Detector, text: str
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    assert "is not a tracker's file" in refusal(path, detector)
    assert path.read_text() == text


def test_a_newer_state_is_refused(state: Path, detector: Detector) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "format": 2}))
    assert "has the format 2, this edgeae reads 1" in refusal(state, detector)


def test_an_artifact_is_never_taken_for_a_state(machine: Path, detector: Detector) -> None:
    assert "ends in .json" in refusal(machine, detector)


@pytest.mark.parametrize("name", ["missing/track.json", "folder.json"])
def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, detector: Detector, name: str
) -> None:
    (tmp_path / "folder.json").mkdir()
    refusal(tmp_path / name, detector)


@fixed
@given(data=st.data())
def test_a_torn_state_is_set_aside_and_never_crashes(
    state: Path, detector: Detector, data: st.DataObject
) -> None:
    whole = state.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    state.write_bytes(whole[:cut] + bytes(data.draw(st.integers(0, 50))))
    assert not DriftFile(state, detector).tracker.drift.any()
    assert state.with_name("track.json.damaged").read_bytes()[:cut] == whole[:cut]
    state.write_bytes(whole)


@pytest.mark.parametrize(
    "drift", [[1.0], "ab", None, [[0.0]], ["x"], [float("nan")] * 385, [10**400] * 385]
)
def test_numbers_that_do_not_fit_are_damage(
    state: Path, detector: Detector, drift: Any, capsys: Any
) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "drift": drift}))
    assert not DriftFile(state, detector).tracker.drift.any()
    assert "is damaged and was moved to" in capsys.readouterr().err


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_power_cut_while_saving_leaves_the_old_state(
    state: Path, detector: Detector, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*_: Any) -> None:
        raise PowerCut

    track = DriftFile(state, detector)
    before = state.read_bytes()
    track.tracker.set_drift(np.full(len(track.tracker.drift), 0.01))
    place: tuple[object, str] = {
        "write": (os, "fdopen"),
        "fsync": (os, "fsync"),
        "replace": (Path, "replace"),
    }[when]
    monkeypatch.setattr(*place, cut)
    with pytest.raises(PowerCut):
        track.save()
    assert state.read_bytes() == before


def test_a_full_disk_is_said_and_the_watch_goes_on(
    tmp_path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = DriftFile(tmp_path / "track.json", detector)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgeae.runtime.monitoring.state_file.replace_file", full)
    window = Window(10.0, detector.head.mean, -30.0)
    result = Result(10.0, 0.0, 1.0, False, -30.0, 0.0, window)
    status = track.update(window, result, DEFAULT_LIMITS.status_seconds, alarm=False)
    assert status is not None
    assert status.sentence is not None
    assert (status.state, "No space left on device" in status.sentence) == ("tracking", True)


@pytest.fixture
def run(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[Any], str]]:
    def call(*arguments: object, limits: RunLimits | None = None) -> tuple[int, list[Any], str]:
        capfd.readouterr()
        code = run_command(["run", str(machine), "--json", *map(str, arguments)], limits)
        out, err = capfd.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call


def test_run_tracks_what_it_hears_and_leaves_the_artifact(
    run: Callable[..., Any],
    trained: Trained,
    machine: Path,
    tmp_path: Path,
) -> None:
    clips = [
        soundfile.read(clip, dtype="float32")[0] for clip in audio_files(trained.new / "train")
    ]
    soundfile.write(tmp_path / "long.wav", np.concatenate(clips * 4), 16000)
    quick = DriftLimits(minute_seconds=5.0, delay_seconds=10.0, status_seconds=40.0)
    before = machine.read_bytes()
    track = tmp_path / "track.json"
    plain = [line["score"] for line in run(tmp_path / "long.wav")[1]]
    code, lines, err = run(
        tmp_path / "long.wav", "--track", track, "--track-days", 0.1, limits=RunLimits(drift=quick)
    )
    assert (code, err) == (0, "")
    assert [line["state"] for line in lines if line["type"] == "status"] == ["tracking", "tracking"]
    scores = [line["score"] for line in lines if line["type"] == "score"]
    assert scores[:10] == plain[:10]
    assert scores != plain
    learned = json.loads(track.read_text())["learned"]
    assert 60 < learned < 96
    again = run(tmp_path / "long.wav", "--track", track, limits=RunLimits(drift=quick))
    assert again[0] == 0
    assert json.loads(track.read_text())["learned"] > learned + 60
    assert machine.read_bytes() == before
    assert [line["score"] for line in run(tmp_path / "long.wav")[1]] == plain


def test_people_are_told_what_to_do_at_the_bound() -> None:
    details = DriftStatus("drifted", 1.0, DRIFTED).details()
    line = StatusLine(source="hw:1", t=3600.0, state="drifted", details=details)
    assert line.describe().endswith(DRIFTED)


def test_an_uncalibrated_artifact_is_not_tracked(trained: Trained, tmp_path: Path) -> None:
    clip = str(audio_files(trained.new / "train")[0])
    assert (
        run_command(["run", str(trained.int8), clip, "--track", str(tmp_path / "track.json")]) == 2
    )
    assert not (tmp_path / "track.json").exists()


def test_one_process_keeps_a_state(state: Path, detector: Detector) -> None:
    with DriftFile(state, detector):
        other = DriftFile(state, detector)
        with pytest.raises(ConfigError, match=r"track\.json: another process uses it"):
            other.__enter__()
    with DriftFile(state, detector):
        pass
