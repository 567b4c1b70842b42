"""How uncertain a calibration is, and what one more minute would change."""

import numpy as np
import pytest

from edgeae.calibrate import calibrate
from edgeae.calibrate.uncertainty import Uncertainty, uncertainty_of
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64


def drawn(detector: Detector, n: int, seed: int) -> Float64:
    """(n, size) windows of a machine that varies as the fleet does."""
    fleet = detector.head.fleet
    return fleet.mean + fleet.within_std * np.random.default_rng(seed).standard_normal(
        (n, len(fleet.mean))
    )


@pytest.mark.parametrize("n", [1, 3, 10])
def test_the_error_of_the_mean_is_about_the_predicted_one(fresh: Detector, n: int) -> None:
    own = calibrated(fresh, drawn(fresh, n, seed=n))
    fleet = fresh.head.fleet
    true = np.sqrt(np.mean(((own.head.mean - fleet.mean) / fleet.within_std) ** 2))
    assert uncertainty_of(own).mean_error == pytest.approx(true, rel=0.15)


def test_one_more_minute_changes_it_as_predicted(fresh: Detector) -> None:
    windows = drawn(fresh, 40, seed=1)
    before = calibrated(fresh, windows[:20])  # windows of 4.1 s
    after = calibrated(fresh, windows[:35])
    assert uncertainty_of(before).mean_error_next == pytest.approx(
        uncertainty_of(after).mean_error, rel=0.1
    )


def test_the_threshold_of_more_windows_is_predicted_where_the_artifact_can(
    fresh: Detector,
) -> None:
    one = calibrated(fresh, drawn(fresh, 1, seed=2), false_alarms="20%")
    change = uncertainty_of(one).threshold_change
    assert change is not None
    assert change < 0  # one window leaves the mean to chance
    many = calibrated(fresh, drawn(fresh, 20, seed=2))
    assert uncertainty_of(many).threshold_change is None  # no reference of more windows
    assert uncertainty_of(one, min_references=1000).threshold_change is None  # too few scores


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (-0.12, "would make that 29% and lower the threshold by about 0.12"),
        (0.3, "and raise the threshold by about 0.30"),
        (0.01, "and hardly change the threshold"),
        (None, "cannot predict how it would change the threshold"),
    ],
)
def test_it_is_a_sentence(change: float | None, text: str) -> None:
    sentence = Uncertainty(0.41, 0.29, change).sentence()
    assert "uncertain by 41%" in sentence
    assert text in sentence


def test_the_artifact_holds_it(fresh: Detector, clips: list[Float32]) -> None:
    own = calibrate(fresh, clips)
    assert own.artifact.head.stability == uncertainty_of(own).to_section()
