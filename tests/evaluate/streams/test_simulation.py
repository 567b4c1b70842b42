"""Recordings as long streams: the alarms of `edgeae run`, and how long they take."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.calibration_clips import read_clips, windows_of
from edgeae.evaluate.streams.conditions import conditions
from edgeae.evaluate.streams.joining import KeptFrames, joined_frames
from edgeae.evaluate.streams.simulation import (
    AlarmState,
    FaultDelay,
    StreamCounts,
    StreamPlan,
    StreamRecordings,
    alarm_states,
    count_fault,
    count_normal,
    fault_stream,
    simulate_streams,
    sum_counts,
)
from edgeae.runtime import Detector
from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.offline.files import score_files
from edgeae.runtime.outputs.lines import EventLine, Line, ScoreLine
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained

PLAN = StreamPlan(n_orders=2, normal_seconds=20.0, fault_seconds=120.0)


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    """Calibrated, with a threshold above what short clips score at their joints."""
    train = by_machine(scan(trained.new, "train"))["id_03"]
    fleet = Detector.load(trained.int8)
    clips = read_clips(fleet, train, 5, 0, print, skip_bad=False)
    return _at(calibrated(fleet, windows_of(fleet, clips), machine="id_03"), 6.0)


@pytest.fixture(scope="module")
def normals(trained: Trained) -> list[Path]:
    return [item.path for item in scan(trained.new, "test") if item.label == "normal"]


@pytest.fixture(scope="module")
def recordings(trained: Trained, normals: list[Path]) -> StreamRecordings:
    faults = conditions([item for item in scan(trained.new, "test") if item.label == "anomaly"])
    return StreamRecordings("id_03", normals, faults)


@pytest.fixture(scope="module")
def hissing(
    detector: Detector, normals: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Normal sound, 40 dB louder in its upper half: a fault that no detector can miss."""
    paths = []
    for path in normals:
        frames = read_log_mel(path, detector.spec)
        hiss = np.where(np.arange(frames.shape[1]) >= 64, 40, 0)
        paths.append(tmp_path_factory.mktemp("hiss") / f"{path.stem}.npy")
        np.save(paths[-1], frames + hiss.astype(np.float32))
    return paths


def _at(detector: Detector, value: float) -> Detector:
    """With another threshold."""
    return detector.with_sections(threshold=replace(detector.threshold, value=value))


def _simulate(detector: Detector, recordings: StreamRecordings) -> StreamCounts:
    counts = simulate_streams(detector, recordings, plan=PLAN)
    assert counts is not None
    return counts


def test_alarms_are_those_of_run_on_the_same_sound(
    detector: Detector, normals: list[Path], hissing: list[Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    stream = fault_stream(KeptFrames(detector.spec), normals, hissing, PLAN, rng)
    frames = np.concatenate(list(stream))
    path = tmp_path / "long.npy"
    np.save(path, frames)
    lines: list[Line] = []
    score_files(detector, [path], 0, LinePublisher(lines.append, []))
    starts = [line.t for line in lines if isinstance(line, EventLine) and line.phase == "start"]
    states = list(alarm_states(detector, [frames[:500], frames[500:]]))
    assert [state.end for state in states] == [
        line.t for line in lines if isinstance(line, ScoreLine)
    ]
    assert [state.end for state in states if state.starts] == starts
    assert len(starts) == 1


def test_a_fault_that_no_detector_can_miss_raises_an_alarm_after_its_onset(
    detector: Detector, recordings: StreamRecordings, hissing: list[Path]
) -> None:
    counts = _simulate(detector, replace(recordings, faults={"hiss": hissing}))
    assert counts.n_alarms == 0
    assert [fault.condition for fault in counts.faults] == ["hiss"] * PLAN.n_orders
    for fault in counts.faults:
        assert fault.delay is not None and 0 < fault.delay < PLAN.fault_seconds
        assert not fault.early


def test_normal_sound_as_a_fault_raises_no_alarm(
    detector: Detector, recordings: StreamRecordings, normals: list[Path]
) -> None:
    counts = _simulate(detector, replace(recordings, faults={"none": normals}))
    assert [fault.delay for fault in counts.faults] == [None] * PLAN.n_orders


def test_the_same_recordings_give_the_same_counts(
    detector: Detector, recordings: StreamRecordings
) -> None:
    assert _simulate(_at(detector, 3.0), recordings) == _simulate(_at(detector, 3.0), recordings)


def test_the_normal_sound_is_all_recordings_in_each_order_and_what_comes_before_faults(
    detector: Detector, recordings: StreamRecordings
) -> None:
    counts = _simulate(detector, recordings)
    fade = round(detector.spec.frames_per_second)
    n_frames = [len(read_log_mel(path, detector.spec)) for path in recordings.normals]
    one_order = (sum(n_frames) - (len(n_frames) - 1) * fade) / detector.spec.frames_per_second
    assert counts.distinct_seconds == pytest.approx(one_order, abs=0.01)
    expected = PLAN.n_orders * (one_order + PLAN.normal_seconds * len(recordings.faults))
    assert counts.seconds == pytest.approx(expected, abs=0.1)


def test_a_fault_stream_is_as_long_as_planned_and_begins_with_the_normal_sound(
    detector: Detector, normals: list[Path], hissing: list[Path]
) -> None:
    rng = np.random.default_rng(3)
    stream = fault_stream(KeptFrames(detector.spec), normals, hissing, PLAN, rng)
    frames = np.concatenate(list(stream))
    fps = detector.spec.frames_per_second
    onset = round(PLAN.normal_seconds * fps)
    assert len(frames) == onset + round(PLAN.fault_seconds * fps)
    upper = frames[:, 64:].mean(axis=1)
    normal = upper[:onset].max()
    assert upper[onset + round(fps) :].min() > normal
    assert upper[onset + 1] < upper[onset + round(fps) - 1]  # they fade


def test_an_alarm_of_normal_sound_is_a_false_one_and_no_detection(
    detector: Detector, recordings: StreamRecordings
) -> None:
    plan = StreamPlan(n_orders=1, normal_seconds=60.0, fault_seconds=20.0)
    counts = simulate_streams(_at(detector, -50.0), recordings, plan=plan)
    assert counts is not None
    assert counts.n_alarms >= 1 and counts.n_windows_in_alarm > 0
    assert [(fault.delay, fault.early) for fault in counts.faults] == [(None, True)]


def test_a_threshold_that_nothing_reaches_raises_no_alarm_of_single_windows(
    detector: Detector, normals: list[Path]
) -> None:
    frames = joined_frames(normals, detector.spec)
    assert not any(state.starts for state in alarm_states(_at(detector, 50.0), frames))


def test_silence_is_counted_as_not_judged(detector: Detector) -> None:
    frames: Float32 = np.full((1000, detector.spec.n_mels), detector.spec.floor_db, np.float32)
    states = list(alarm_states(detector, [frames]))
    assert count_normal(states, distinct=True).n_not_judged == len(states)
    assert count_fault(states, "x", 5.0).n_not_judged == len(states)


def test_only_an_alarm_after_the_onset_is_a_detection() -> None:
    states = [
        AlarmState(1.0, starts=False, active=False),
        AlarmState(2.0, starts=True, active=True),
        AlarmState(3.0, starts=False, active=False),
        AlarmState(4.5, starts=True, active=True),
        AlarmState(6.0, starts=True, active=True),
    ]
    counts = count_fault(states, "x", 3.0)
    assert counts == StreamCounts(3.0, 0.0, 1, 3, 1, 0, (FaultDelay("x", 1.5, early=False),))
    assert count_fault(states, "x", 2.0).faults == (FaultDelay("x", 2.5, early=True),)
    assert count_fault(states[:3], "x", 2.5).faults == (FaultDelay("x", None, early=True),)


def test_counts_add_up_and_survive_json() -> None:
    one = StreamCounts(10.0, 10.0, 1, 20, 3, 2, (FaultDelay("x", 2.0),))
    other = StreamCounts(5.0, 0.0, 2, 9, 4, 0, (FaultDelay("y", None, early=True),))
    total = StreamCounts(15.0, 10.0, 3, 29, 7, 2, (*one.faults, *other.faults))
    assert sum_counts([one, other]) == total
    assert StreamCounts.from_json(asdict(total)) == total


def test_without_normal_recordings_there_are_no_streams(
    detector: Detector, recordings: StreamRecordings
) -> None:
    assert simulate_streams(detector, replace(recordings, normals=[])) is None
