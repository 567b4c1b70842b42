"""What calibration makes of sound that the training knows, and of sound that the network never
heard."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.scoring.calibration import calibrated, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float64
from tests.conftest import Trained


def windows_of(detector: Detector, paths: Sequence[Path]) -> Float64:
    return np.concatenate([detector.independent(detector.read(path)) for path in paths])


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


@pytest.fixture(scope="module")
def known(trained: Trained, detector: Detector) -> Float64:
    """Windows of a machine of the training, five of those that the fleet was fitted on."""
    return windows_of(
        detector,
        [recording.path for recording in by_machine(scan(trained.data, "train"))["id_00"]][:5],
    )


def test_sound_of_the_training_is_not_asked_how_far_it_strays(
    detector: Detector, known: Float64
) -> None:
    """It seems calmer than any sound to come: the threshold is that of the references alone."""
    machine = calibrated(detector, known, false_alarms="5%")
    reference = next(r for r in detector.references("gaussian") if r.windows == 5)
    expected = np.quantile(reference.parts @ machine.head.weights, 0.95)
    assert machine.threshold.value == pytest.approx(expected, abs=1e-5)
    assert machine.artifact.head.history[0].excess_over_fleet is None


def test_sound_of_the_training_is_recognised_among_other_sound_and_up_to_rounding(
    trained: Trained, detector: Detector, known: Float64
) -> None:
    fresh = windows_of(detector, sorted((trained.new / "train").iterdir())[:5])
    told = [
        calibrated(detector, windows).artifact.head.history[0].excess_over_fleet is not None
        for windows in (
            fresh,
            np.concatenate([fresh, known[:1]]),
            np.concatenate([fresh, known[:1] + 1e-4]),
        )
    ]
    assert told == [True, False, False]


def test_another_budget_needs_no_sound(trained: Trained, detector: Detector) -> None:
    fresh = windows_of(detector, sorted((trained.new / "train").iterdir())[:5])
    day = calibrated(detector, fresh, false_alarms="1/day")
    week = calibrated(detector, fresh, false_alarms="1/week")
    assert threshold_for(week, "1/day").value == pytest.approx(day.threshold.value, abs=2e-6)
    assert (
        threshold_for(detector, detector.threshold.false_alarms) == detector.threshold
    )  # not calibrated


def test_a_session_counts_by_its_windows(trained: Trained, detector: Detector) -> None:
    """A session of one window beside one of fifty hardly moves the threshold."""
    fresh = windows_of(detector, sorted((trained.new / "train").iterdir())[:5])
    machine = calibrated(detector, fresh, false_alarms="1/day")
    n_parts = len(machine.head.weights)

    def threshold_of(*sessions: tuple[float, int]) -> float:
        history = [
            {
                "date": "2026-01-01T00:00:00+00:00",
                "windows": n_windows,
                "seconds": 10.0 * n_windows,
                "excess_over_fleet": np.full(n_parts, excess, np.float32),
            }
            for excess, n_windows in sessions
        ]
        head = {**machine.artifact.sections["head"], "history": history}
        return threshold_for(machine.with_sections(head=head), "1/day").value

    both = threshold_of((2.0, 1), (0.5, 50))
    assert both == pytest.approx(threshold_of(((2.0 + 50 * 0.5) / 51, 51)), abs=1e-5)
    assert threshold_of((2.0, 50), (0.5, 1)) > both + 0.5
