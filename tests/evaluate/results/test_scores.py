"""The test of each machine: its detector, its scores, its thresholds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.results.calibration_clips import read_clips, windows_of
from edgeae.evaluate.results.result_cache import ResultCache
from edgeae.evaluate.results.scores import (
    EvaluationOptions,
    evaluate_machines,
    may_be_trained_on,
)
from edgeae.evaluate.streams.simulation import StreamPlan
from edgeae.runtime.audio.recordings import Recording, by_machine, scan
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.monitoring.states import UNJUDGED_STATES
from edgeae.runtime.offline.files import score_file
from edgeae.runtime.outputs.lines import ScoreLine
from edgeae.runtime.scoring.calibration import calibrated, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.train.synth.dataset import write_dataset
from tests.conftest import Trained

SCORES_ONLY = EvaluationOptions(simulate_streams=False)
PLAN = StreamPlan(n_orders=2, normal_seconds=10.0, fault_seconds=10.0)


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


@pytest.fixture(scope="module")
def train(trained: Trained) -> list[Recording]:
    """The training recordings of the new machine."""
    return by_machine(scan(trained.new, "train"))["id_03"]


def test_each_machine_of_the_test_has_its_recordings_in_order(
    trained: Trained, detector: Detector
) -> None:
    tests = evaluate_machines(detector, trained.data, SCORES_ONLY, print)
    assert list(tests) == ["id_00", "id_01", "id_02"]
    for machine, test in tests.items():
        assert test.recordings == by_machine(scan(trained.data, "test"))[machine]
        assert [score.file for score in test.scores] == [r.path.name for r in test.recordings]
        assert {score.machine for score in test.scores} == {machine}


def test_scores_are_means_over_the_windows_with_the_network_and_without(
    trained: Trained, detector: Detector
) -> None:
    test = evaluate_machines(detector, trained.new, SCORES_ONLY, print)["id_03"]
    windows = list(detector.read(test.recordings[3].path))
    assert test.scores[3].score == pytest.approx(detector.mean_score(windows))
    baseline = detector.with_kind("no_network")
    assert test.scores[3].no_network == pytest.approx(baseline.mean_score(windows))


def test_a_recording_is_an_anomaly_above_the_threshold(
    trained: Trained, detector: Detector
) -> None:
    test = evaluate_machines(detector, trained.new, SCORES_ONLY, print)["id_03"]
    limit = detector.threshold.value
    assert test.one_per_day == threshold_for(detector, "1/day")
    for score in test.scores:
        assert score.threshold == limit
        assert score.anomaly == (score.score > limit)
        assert score.anomaly_1_per_day == (score.score > test.one_per_day.value)


def test_mse_head_is_the_mean_squared_residual(trained: Trained) -> None:
    detector = Detector.load(trained.float_)
    options = EvaluationOptions(calibration_clips=5, kind="mse", simulate_streams=False)
    test = evaluate_machines(detector, trained.new, options, print)["id_03"]
    window = next(iter(detector.read(test.recordings[0].path)))
    assert test.scores[0].score == pytest.approx(window.features[0])


def test_streams_are_simulated_only_where_they_are_asked_for_and_have_a_threshold(
    trained: Trained, detector: Detector
) -> None:
    options = EvaluationOptions(calibration_clips=2, plan=PLAN)
    assert evaluate_machines(detector, trained.new, options, print)["id_03"].stream is not None
    assert evaluate_machines(detector, trained.new, SCORES_ONLY, print)["id_03"].stream is None
    without_threshold = EvaluationOptions(kind="mse")
    test = evaluate_machines(detector, trained.new, without_threshold, print)["id_03"]
    assert test.stream is None and test.one_per_day is None
    assert test.scores[0].threshold is test.scores[0].anomaly is None


@pytest.mark.parametrize("clips", [0, 2, 5])
def test_the_threshold_for_another_budget_is_that_of_a_new_calibration(
    detector: Detector, train: Sequence[Recording], clips: int
) -> None:
    if not clips:
        same = threshold_for(detector, detector.threshold.false_alarms)
        assert same.value == pytest.approx(detector.threshold.value, abs=2e-6)
        return
    windows = windows_of(detector, read_clips(detector, train, clips, 0, print, skip_bad=False))
    week, day = (
        calibrated(detector, windows, false_alarms=budget) for budget in ("1/week", "1/day")
    )
    assert threshold_for(week, "1/day").value == pytest.approx(day.threshold.value, abs=1e-5)
    assert week.threshold.value > day.threshold.value


def test_too_few_training_recordings_are_named(trained: Trained, detector: Detector) -> None:
    options = EvaluationOptions(calibration_clips=99)
    with pytest.raises(ConfigError, match="id_03 has 6 training recordings"):
        evaluate_machines(detector, trained.new, options, print)


def test_the_channel_of_training_is_read_again(detector: Detector) -> None:
    config = {"data": {"channel": "mix"}}
    assert detector.channel == 0
    assert detector.with_sections(provenance={"config": config}).channel == "mix"


def test_results_with_other_options_or_files_are_not_reused(
    trained: Trained, detector: Detector
) -> None:
    cache = ResultCache(None)
    on_three, on_four = (EvaluationOptions(calibration_clips=clips, plan=PLAN) for clips in (3, 4))
    evaluate_machines(detector, trained.new, on_three, print, cache)
    n_results = len(cache)
    evaluate_machines(detector, trained.new, on_three, print, cache)
    assert len(cache) == n_results == len(scan(trained.new, "test")) + 1  # and the stream
    evaluate_machines(detector, trained.new, on_four, print, cache)
    assert len(cache) == 2 * n_results


def test_with_a_budget_the_alarms_are_measured_for_it(trained: Trained, detector: Detector) -> None:
    reports: list[str] = []
    options = EvaluationOptions(calibration_clips=5, false_alarms="1/hour", plan=PLAN)
    test = evaluate_machines(detector, trained.new, options, reports.append)["id_03"]
    assert test.detector.threshold.false_alarms == "1/hour"
    assert test.stream is not None and len(test.stream.faults) == 2
    (report,) = reports
    assert "20 s of sound; for 60 s give --calibration-clips 16" in report
    own = EvaluationOptions(false_alarms="1/month", simulate_streams=False)
    test = evaluate_machines(detector, trained.new, own, print)["id_03"]
    assert test.detector.threshold == threshold_for(detector, "1/month")


def test_recordings_that_the_network_was_trained_on_do_not_calibrate_its_alarms(
    detector: Detector, tmp_path: Path
) -> None:
    """A minute of test recordings does, and leaves the streams."""
    write_dataset(
        tmp_path,
        machines=[0],
        train_clips=5,
        test_normals=32,
        test_anomalies=4,
        seconds=4.0,
        seed=1,  # of the training: its first recordings are the same
    )
    options = EvaluationOptions(calibration_clips=5, false_alarms="1/hour", plan=PLAN)
    reports: list[str] = []
    test = evaluate_machines(detector, tmp_path, options, reports.append)["id_00"]
    normals = sorted((tmp_path / "test").glob("normal*"))
    n_used = len(test.stream_calibration)
    assert list(test.stream_calibration) == normals[:n_used]
    assert 15 <= n_used <= 16  # of 4 s each, less what does not fill a window
    assert test.stream is not None
    n_played = 32 - n_used
    assert test.stream.distinct_seconds == pytest.approx(4 * n_played - (n_played - 1), abs=0.5)
    assert len(test.scores) == 36
    assert reports == []


def test_too_few_test_recordings_to_calibrate_on_are_reported(
    trained: Trained, detector: Detector
) -> None:
    options = EvaluationOptions(calibration_clips=5, false_alarms="1/hour", plan=PLAN)
    reports: list[str] = []
    tests = evaluate_machines(detector, trained.data, options, reports.append)
    assert all(not test.stream_calibration for test in tests.values())
    expected = "id_00: the network was trained on its calibration recordings"
    assert any(report.startswith(expected) for report in reports)


def test_training_recordings_that_nobody_learned_from_are_normal_sound_for_a_budget(
    trained: Trained, detector: Detector
) -> None:
    budget = EvaluationOptions(calibration_clips=5, false_alarms="1/hour", plan=PLAN)
    without = EvaluationOptions(calibration_clips=5, plan=PLAN)
    seconds = []
    for options in (budget, without):
        stream = evaluate_machines(detector, trained.new, options, print)["id_03"].stream
        assert stream is not None
        seconds.append(stream.distinct_seconds)
    assert seconds[0] - seconds[1] == pytest.approx(3.0, abs=0.1)  # one of 4 s, and a fade


def test_a_machine_of_the_training_is_recognised(detector: Detector) -> None:
    assert may_be_trained_on(detector, "id_01")
    assert not may_be_trained_on(detector, "id_03")
    for provenance in ({}, {"data": "x"}, {"data": {"machines": "id_03"}}):
        assert may_be_trained_on(detector.with_sections(provenance=provenance), "id_03")


def test_a_budget_needs_a_head_with_a_threshold(trained: Trained, detector: Detector) -> None:
    options = EvaluationOptions(kind="mse", false_alarms="1/day")
    with pytest.raises(ConfigError, match="the head mse has no threshold"):
        evaluate_machines(detector, trained.new, options, print)


def test_the_verdict_is_that_of_run_on_every_recording(
    trained: Trained, detector: Detector, tmp_path: Path
) -> None:
    """Also where zeros begin a recording, or all windows but one are normal."""
    (tmp_path / "test").mkdir()
    recordings = scan(trained.new, "test")
    for recording in recordings:
        (tmp_path / "test" / recording.path.name).symlink_to(recording.path)
    sound, rate = soundfile.read(recordings[0].path)
    fault, _ = soundfile.read(next(r.path for r in recordings if r.label == "anomaly"))
    parts = {
        "anomaly_id_03_90.wav": [np.zeros(rate), fault],
        "anomaly_id_03_91.wav": [np.zeros(4 * rate)],
        "anomaly_id_03_92.wav": [*[sound] * 5, fault, *[sound] * 5],
    }
    for name, sounds in parts.items():
        soundfile.write(tmp_path / "test" / name, np.concatenate(sounds), rate)
    scores = evaluate_machines(detector, tmp_path, SCORES_ONLY, print)["id_03"].scores
    limit = float(np.median([score.score for score in scores]))
    threshold = replace(detector.threshold, value=limit)
    strict = detector.with_sections(threshold=threshold)
    for score in evaluate_machines(strict, tmp_path, SCORES_ONLY, print)["id_03"].scores:
        scored = score_file(strict, 0, None, tmp_path / "test" / score.file)
        lines = [line for line in scored.lines if isinstance(line, ScoreLine)]
        assert score.anomaly == scored.verdict.any_anomaly == any(line.anomaly for line in lines)
        unjudged = [line for line in lines if line.health in UNJUDGED_STATES]
        assert score.windows_not_judged == len(unjudged)
        assert score.not_judged == (len(unjudged) == len(lines))
        assert score.not_judged or score.file != "anomaly_id_03_91.wav"


def test_a_long_recording_in_which_only_a_chart_raises_an_alarm_is_anomalous_in_both(
    trained: Trained, detector: Detector, train: list[Recording], tmp_path: Path
) -> None:
    """Four minutes of the machine, then four with a tone; no window can reach the threshold."""
    clips = [soundfile.read(recording.path) for recording in train]
    rate = clips[0][1]
    sound = np.tile(np.concatenate([samples for samples, _ in clips]), 10)
    tone = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(len(sound)) / rate)
    (tmp_path / "test").mkdir()
    for name, samples in {
        "normal_id_03_00.wav": np.concatenate([sound, sound]),
        "anomaly_id_03_00.wav": np.concatenate([sound, (sound + tone).clip(-1, 1)]),
    }.items():
        soundfile.write(tmp_path / "test" / name, samples, rate)
    read = read_clips(detector, train, len(train), 0, print, skip_bad=False)
    own = calibrated(detector, windows_of(detector, read), machine="id_03")
    quiet = own.with_sections(threshold=replace(own.threshold, value=1e3))
    scores = evaluate_machines(quiet, tmp_path, SCORES_ONLY, print)["id_03"].scores
    verdicts = {score.file: score.anomaly for score in scores}
    assert verdicts == {
        path.name: score_file(quiet, 0, None, path).verdict.any_anomaly
        for path in (tmp_path / "test").iterdir()
    }
    assert verdicts["anomaly_id_03_00.wav"]
    assert not verdicts["normal_id_03_00.wav"]
