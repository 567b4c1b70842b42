"""Recordings as one stream: the alarms of `edgeae run`, and how long they take."""

from dataclasses import replace
from itertools import chain, cycle

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.results.evaluation_result import Alarms
from edgeae.evaluate.results.scores import calibration_windows
from edgeae.evaluate.results.stream import (
    FAULT_SECONDS,
    MAX_SPLICES,
    StreamCounts,
    alarm_metrics,
    alarm_states,
    detection_delay,
    detection_delays,
    first_frames,
    frames_of,
    simulate_stream,
)
from edgeae.runtime import Detector
from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.offline.files import score_files
from edgeae.runtime.outputs.lines import EventLine, ScoreLine
from edgeae.runtime.outputs.publisher import LinePublisher
from edgeae.runtime.scoring.calibration import calibrated


@pytest.fixture(scope="module")
def detector(trained):
    train = by_machine(scan(trained.new, "train"))["id_03"]
    fleet = Detector.load(trained.int8)
    found = calibrated(
        fleet, calibration_windows(fleet, train, 5, 0, print, skip_bad=False), machine="id_03"
    )
    return _with(found, value=6.0)  # above what short clips score where they are joined


@pytest.fixture(scope="module")
def recordings(trained):
    """Paths of normal and anomalous ones."""
    test = scan(trained.new, "test")
    return [[r.path for r in test if r.label == label] for label in ("normal", "anomaly")]


def _with(detector, **changes):
    return detector.with_sections(threshold=replace(detector.threshold, **changes).to_dict())


def _hissing(sound):
    """The log-mel of normal sound, 30 dB louder in its upper half: a fault that nobody can miss."""
    return sound + np.float32(30) * (np.arange(sound.shape[1]) >= 64)


def test_alarms_are_those_of_run_on_the_same_recording(detector, recordings, tmp_path):
    path = tmp_path / "long.wav"
    sound = [soundfile.read(name)[0] for name in chain(*zip(*recordings, strict=False))]
    soundfile.write(path, np.concatenate([*sound, *sound])[:-1234], 16000)
    scores = [result.score for result in map(detector.result, detector.read(path))]
    restless = _with(
        detector, value=float(np.median(scores)), cooldown=2.0, alarm_windows=2, of_windows=3
    )
    lines = []
    score_files(restless, [path], 0, LinePublisher(lines.append, []))
    expected = [line.t for line in lines if isinstance(line, EventLine) and line.phase == "start"]
    heard = list(alarm_states(restless, frames_of(path, restless.spec)))
    assert [state.end for state in heard] == [
        line.t for line in lines if isinstance(line, ScoreLine)
    ]
    assert [state.end for state in heard if state.starts] == expected
    assert simulate_stream(restless, [path], []).n_alarms == len(expected) > 1


def test_a_fault_that_nobody_can_miss_rings_soon(detector, recordings):
    normal = [read_log_mel(path, detector.spec) for path in recordings[0]]
    found = detection_delay(detector, normal, [_hissing(normal[0])] * 2)
    assert 0 < found <= (detector.threshold.alarm_windows + 1) * 1.03


def test_normal_sound_behind_normal_sound_does_not_ring(detector, recordings):
    normal = [read_log_mel(path, detector.spec) for path in recordings[0]]
    assert detection_delay(detector, normal[:3], normal[3:]) is None


def test_a_fault_that_begins_later_is_not_found_sooner(detector, recordings):
    """The delay counts from the splice, wherever in a patch it falls."""
    normal = np.concatenate([read_log_mel(path, detector.spec) for path in recordings[0]])
    ends = [len(normal) - k for k in (0, 7, 20)]
    found = [detection_delay(detector, [normal[:end]], [_hissing(normal)]) for end in ends]
    assert all(0 < seconds < 5 for seconds in found)
    assert len(set(found)) > 1


def test_splices_are_bounded_and_looped_for_a_minute(detector, recordings, monkeypatch):
    played = []

    def listened(detector, normal, fault):
        played.append((sum(map(len, normal)), sum(map(len, fault))))

    monkeypatch.setattr("edgeae.evaluate.results.stream.detection_delay", listened)
    detection_delays(detector, recordings[0], recordings[1] * 4, 0)
    leads, faults = zip(*played, strict=True)
    assert len(played) == MAX_SPLICES < 4 * len(recordings[1])
    assert set(faults) == {round(FAULT_SECONDS * detector.spec.frames_per_second)}
    assert min(leads) >= detector.window_frames + detector.threshold.of_windows * 32
    assert len({lead % 32 for lead in leads}) > 10  # begins anywhere in a patch


def test_an_alarm_of_normal_sound_is_no_detection(detector, recordings):
    heard = simulate_stream(_with(detector, value=-50.0), *recordings)
    assert (heard.n_alarms, heard.delays, heard.n_early) == (1, (), len(recordings[1]))
    assert heard.n_windows_in_alarm == heard.n_windows - detector.threshold.alarm_windows + 1


def test_a_threshold_that_nothing_reaches_never_rings(detector, recordings):
    heard = simulate_stream(_with(detector, value=50.0), *recordings)
    assert heard.n_alarms == heard.n_windows_in_alarm == heard.n_early == 0
    assert heard.delays == (None,) * len(recordings[1])
    assert heard.seconds == pytest.approx(4.0 * len(recordings[0]), abs=0.04 * len(recordings[0]))


def test_what_several_machines_gave_adds_up(detector, recordings):
    heard = simulate_stream(detector, *recordings)
    both = heard + heard
    assert both.seconds == 2 * heard.seconds and both.delays == 2 * heard.delays


def test_without_normal_recordings_nothing_is_heard(detector, recordings):
    assert simulate_stream(detector, [], recordings[1]) is None


def test_frames_come_in_blocks_and_equal_the_whole(detector, tmp_path):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).standard_normal(44100 * 25) * 0.1, 44100)
    blocks = list(frames_of(path, detector.spec))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), read_log_mel(path, detector.spec))
    assert np.array_equal(
        np.concatenate(list(first_frames(cycle(blocks), 1000))),
        np.concatenate([*blocks, *blocks])[:1000],
    )


def test_figures_of_a_stream():
    found = alarm_metrics(StreamCounts(7200.0, 2, 100, 25, (4.0, None, 8.0, 6.0), 1))
    assert (found.normal_hours, found.false_alarms, found.false_alarms_per_day.value) == (
        2.0,
        2,
        24.0,
    )
    assert found.false_alarms_per_day.low < 4 and found.false_alarms_per_day.high > 80
    assert (found.share_in_alarm, found.splices, found.early_alarms) == (0.25, 4, 1)
    assert (found.delay_median_s, found.delay_p90_s, found.never_detected) == (6.0, 7.6, 0.25)


def test_a_stream_without_alarms_or_faults_claims_nothing_of_them():
    found = alarm_metrics(StreamCounts(3600.0, 0, 100, 0, (), 0))
    assert (
        found.false_alarms_per_day.value == 0
        and found.false_alarms_per_day.high == pytest.approx(88.5, abs=0.1)
    )
    assert found.never_detected is found.delay_median_s is None
    assert alarm_metrics(None) == Alarms()
