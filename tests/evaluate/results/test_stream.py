"""Recordings as one stream: the alarms of `edgeae run`, and how long they take."""

from dataclasses import replace
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.results.evaluation_result import Alarms
from edgeae.evaluate.results.scores import calibration_windows
from edgeae.evaluate.results.stream import (
    MAX_SPLICES,
    AlarmState,
    StreamCounts,
    alarm_metrics,
    alarm_states,
    count,
    detection_delay,
    first_frames,
    frames_of,
    simulate_stream,
    splices,
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


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    """Calibrated, with a threshold above what short clips score at their joints."""
    train = by_machine(scan(trained.new, "train"))["id_03"]
    fleet = Detector.load(trained.int8)
    windows = calibration_windows(fleet, train, 5, 0, print, skip_bad=False)
    return _with(calibrated(fleet, windows, machine="id_03"), value=6.0)


@pytest.fixture(scope="module")
def normals(trained: Trained) -> list[Path]:
    return [item.path for item in scan(trained.new, "test") if item.label == "normal"]


@pytest.fixture(scope="module")
def anomalies(trained: Trained) -> list[Path]:
    return [item.path for item in scan(trained.new, "test") if item.label == "anomaly"]


@pytest.fixture(scope="module")
def normal_frames(detector: Detector, normals: list[Path]) -> list[Float32]:
    return [read_log_mel(path, detector.spec) for path in normals]


def _with(detector: Detector, **changes: Any) -> Detector:
    """With another threshold."""
    return detector.with_sections(threshold=replace(detector.threshold, **changes))


def _with_hiss(frames: Float32) -> Float32:
    """Log-mel frames, 30 dB louder in their upper half: a fault that no detector can miss."""
    hiss = np.where(np.arange(frames.shape[1]) >= 64, 30, 0)
    return frames + hiss.astype(np.float32)


def _simulate(detector: Detector, normals: list[Path], anomalies: list[Path]) -> StreamCounts:
    counts = simulate_stream(detector, normals, anomalies)
    assert counts is not None
    return counts


def test_alarms_are_those_of_run_on_the_same_recording(
    detector: Detector, normals: list[Path], anomalies: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "long.wav"
    files = chain(*zip(normals, anomalies, strict=False))
    sound = [soundfile.read(name)[0] for name in files]
    soundfile.write(path, np.concatenate([*sound, *sound])[:-1234], 16000)
    scores = [result.score for result in map(detector.result, detector.read(path))]
    restless = _with(
        detector, value=float(np.median(scores)), cooldown=2.0, alarm_windows=2, of_windows=3
    )
    lines: list[Line] = []
    score_files(restless, [path], 0, LinePublisher(lines.append, []))
    starts = [line.t for line in lines if isinstance(line, EventLine) and line.phase == "start"]
    ends = [line.t for line in lines if isinstance(line, ScoreLine)]
    states = list(alarm_states(restless, frames_of(path, restless.spec)))
    assert [state.end for state in states] == ends
    assert [state.end for state in states if state.starts] == starts
    assert _simulate(restless, [path], []).n_alarms == len(starts) > 1


def test_a_fault_that_no_detector_can_miss_raises_an_alarm_soon(
    detector: Detector, normal_frames: list[Float32]
) -> None:
    delay = detection_delay(detector, normal_frames, [_with_hiss(normal_frames[0])] * 2)
    assert delay is not None
    assert 0 < delay <= (detector.threshold.alarm_windows + 1) * 1.03


def test_normal_sound_after_normal_sound_raises_no_alarm(
    detector: Detector, normal_frames: list[Float32]
) -> None:
    assert detection_delay(detector, normal_frames[:3], normal_frames[3:]) is None


def test_a_fault_that_begins_later_is_not_detected_sooner(
    detector: Detector, normal_frames: list[Float32]
) -> None:
    """The delay counts from the splice, wherever in a patch it falls."""
    normal = np.concatenate(normal_frames)
    fault = [_with_hiss(normal)]
    delays = [
        detection_delay(detector, [normal[: len(normal) - n_frames]], fault)
        for n_frames in (0, 7, 20)
    ]
    assert all(delay is not None and 0 < delay < 5 for delay in delays)
    assert len(set(delays)) > 1


def test_the_delay_is_the_end_of_the_window_minus_the_time_of_the_splice(
    detector: Detector, normal_frames: list[Float32]
) -> None:
    fault = [_with_hiss(normal_frames[0])] * 2
    delay = detection_delay(detector, normal_frames[:2], fault)
    states = alarm_states(detector, [*normal_frames[:2], *fault])
    first = next(state.end for state in states if state.starts)
    splice = sum(map(len, normal_frames[:2])) / detector.spec.frames_per_second
    assert delay == round(first - splice, 3)


def test_splices_are_bounded_and_repeat_the_fault_for_a_minute(
    detector: Detector, normals: list[Path], anomalies: list[Path]
) -> None:
    leads = []
    faults = []
    for splice in splices(detector, normals, anomalies * 4, 0):
        leads.append(sum(map(len, splice.normal)))
        faults.append(sum(map(len, splice.fault)))
    assert len(leads) == MAX_SPLICES == 20 < 4 * len(anomalies)
    assert set(faults) == {round(60 * detector.spec.frames_per_second)}
    assert min(leads) >= detector.window_frames + detector.threshold.of_windows * 32
    assert len({lead % 32 for lead in leads}) > 10  # begins anywhere in a patch


def test_an_alarm_of_normal_sound_is_no_detection(
    detector: Detector, normals: list[Path], anomalies: list[Path]
) -> None:
    counts = _simulate(_with(detector, value=-50.0), normals, anomalies)
    assert (counts.n_alarms, counts.delays, counts.n_early) == (1, (), len(anomalies))
    n_before = detector.threshold.alarm_windows - 1
    assert counts.n_windows_in_alarm == counts.n_windows - n_before


def test_a_threshold_that_nothing_reaches_raises_no_alarm(
    detector: Detector, normals: list[Path], anomalies: list[Path]
) -> None:
    counts = _simulate(_with(detector, value=50.0), normals, anomalies)
    assert counts.n_alarms == counts.n_windows_in_alarm == counts.n_early == 0
    assert counts.delays == (None,) * len(anomalies)
    n = len(normals)
    assert counts.seconds == pytest.approx(4.0 * n, abs=0.04 * n)


def test_only_an_alarm_after_the_splice_is_a_detection() -> None:
    """An alarm at the very splice comes from windows of normal sound."""
    states = [AlarmState(1.0, False, False), AlarmState(2.0, True, True)]
    counts = count(states, [0.001, 0.0, -0.5, None])
    assert counts == StreamCounts(2.0, 1, 2, 1, (0.001, None), 2)


def test_the_counts_of_several_machines_add_up() -> None:
    one = StreamCounts(10.0, 1, 20, 3, (2.0, None), 1)
    other = StreamCounts(5.0, 2, 9, 4, (1.0,), 0)
    assert one + other == StreamCounts(15.0, 3, 29, 7, (2.0, None, 1.0), 1)


def test_without_normal_recordings_there_is_no_stream(
    detector: Detector, anomalies: list[Path]
) -> None:
    assert simulate_stream(detector, [], anomalies) is None


def test_frames_come_in_blocks_and_equal_the_whole(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).standard_normal(44100 * 25) * 0.1, 44100)
    blocks = list(frames_of(path, detector.spec))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), read_log_mel(path, detector.spec))
    first = np.concatenate(list(first_frames(cycle(blocks), 1000)))
    assert np.array_equal(first, np.concatenate([*blocks, *blocks])[:1000])


def test_metrics_of_a_stream() -> None:
    alarms = alarm_metrics(StreamCounts(7200.0, 2, 100, 25, (4.0, None, 8.0, 6.0), 1))
    rate = alarms.false_alarms_per_day
    assert (alarms.normal_hours, alarms.false_alarms, rate.value) == (2.0, 2, 24.0)
    assert rate.low is not None and rate.high is not None
    assert rate.low < 4 and rate.high > 80
    assert (alarms.share_in_alarm, alarms.splices, alarms.early_alarms) == (0.25, 4, 1)
    assert (alarms.delay_median_s, alarms.delay_p90_s) == (6.0, 7.6)
    assert alarms.never_detected == 0.25


def test_a_stream_without_alarms_or_faults_has_no_delays() -> None:
    alarms = alarm_metrics(StreamCounts(3600.0, 0, 100, 0, (), 0))
    assert alarms.false_alarms_per_day.value == 0
    assert alarms.false_alarms_per_day.high == pytest.approx(88.5, abs=0.1)
    assert alarms.never_detected is alarms.delay_median_s is None
    assert alarm_metrics(None) == Alarms()
