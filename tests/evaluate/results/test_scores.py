"""The test of each machine: its detector, its scores, its thresholds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.result_cache import ResultCache
from edgeae.evaluate.results.scores import (
    EvaluationOptions,
    calibration_windows,
    evaluate_machines,
)
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.scoring.calibration import calibrated, threshold_for
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained

SCORES_ONLY = EvaluationOptions(simulate_streams=False)


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
    options = EvaluationOptions(calibration_clips=2)
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
    windows = calibration_windows(detector, train, clips, 0, print, skip_bad=False)
    week, day = (
        calibrated(detector, windows, false_alarms=budget) for budget in ("1/week", "1/day")
    )
    assert threshold_for(week, "1/day").value == pytest.approx(day.threshold.value, abs=1e-5)
    assert week.threshold.value > day.threshold.value


def test_calibration_takes_the_first_clips_by_name(
    detector: Detector, train: Sequence[Recording]
) -> None:
    found = calibration_windows(detector, train[::-1], 2, 0, print, skip_bad=False)
    first, second = (detector.independent(detector.read(r.path)) for r in by_name(train)[:2])
    assert np.array_equal(found, np.concatenate([first, second]))


def test_a_bad_clip_is_replaced_by_the_next_or_refused(
    detector: Detector, train: Sequence[Recording], tmp_path: Path
) -> None:
    bad = Recording(tmp_path / "normal_id_03_!.wav", "normal", "id_03")
    bad.path.write_bytes(b"")
    reports: list[str] = []
    clips = [bad, *train[:2]]
    found = calibration_windows(detector, clips, 2, 0, reports.append, skip_bad=True)
    expected = calibration_windows(detector, train, 2, 0, print, skip_bad=False)
    assert np.array_equal(found, expected)
    assert len(reports) == 1 and "the file is empty" in reports[0]
    with pytest.raises(AudioError, match="only 2 training recordings can be read"):
        calibration_windows(detector, clips, 3, 0, print, skip_bad=True)


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
    on_three, on_four = (EvaluationOptions(calibration_clips=clips) for clips in (3, 4))
    evaluate_machines(detector, trained.new, on_three, print, cache)
    n_results = len(cache)
    evaluate_machines(detector, trained.new, on_three, print, cache)
    assert len(cache) == n_results == len(scan(trained.new, "test")) + 1  # and the stream
    evaluate_machines(detector, trained.new, on_four, print, cache)
    assert len(cache) == 2 * n_results
