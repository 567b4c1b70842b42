"""How well a machine is known, and what one more minute would bring."""

import numpy as np
import pytest

from edgeae.calibrate.uncertainty import stability, words
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float64


def drawn(detector: Detector, n: int, seed: int) -> Float64:
    """(n, size) windows of a machine that varies as the fleet does."""
    fleet = detector.head.fleet
    return fleet.mean + fleet.within_std * np.random.default_rng(seed).standard_normal(
        (n, len(fleet.mean))
    )


@pytest.mark.parametrize("n", [1, 3, 10])
def test_the_error_of_the_mean_is_about_the_one_told(fresh: Detector, n: int) -> None:
    own = calibrated(fresh, drawn(fresh, n, seed=n))
    fleet = fresh.head.fleet
    true = np.sqrt(np.mean(((own.head.mean - fleet.mean) / fleet.within_std) ** 2))
    assert stability(own)["mean_error"] == pytest.approx(true, rel=0.15)


def test_one_more_minute_brings_what_was_told(fresh: Detector) -> None:
    windows = drawn(fresh, 40, seed=1)
    before, after = calibrated(fresh, windows[:20]), calibrated(fresh, windows[:35])  # 4.1 s each
    assert stability(before)["mean_error_next"] == pytest.approx(
        stability(after)["mean_error"], rel=0.1
    )


def test_the_threshold_of_more_windows_is_foretold_where_the_artifact_can(
    fresh: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = calibrated(fresh, drawn(fresh, 1, seed=2), false_alarms="20%")
    assert stability(one)["threshold_change"] < 0  # one window leaves the mean to chance
    assert (
        stability(calibrated(fresh, drawn(fresh, 20, seed=2)))["threshold_change"] is None
    )  # none of more windows
    monkeypatch.setattr("edgeae.calibrate.uncertainty.FEWEST_REFERENCE", 1000)
    assert stability(one)["threshold_change"] is None  # the fleet has too few scores


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (-0.12, "would make that 29% and lower the threshold by about 0.12"),
        (0.3, "and raise the threshold by about 0.30"),
        (0.01, "and hardly move the threshold"),
        (None, "cannot tell what it would do to the threshold"),
    ],
)
def test_it_is_told_in_words(fresh: Detector, change: float | None, text: str) -> None:
    found = {"mean_error": 0.41, "mean_error_next": 0.29, "threshold_change": change}
    own = calibrated(fresh, drawn(fresh, 3, seed=3))
    told = words(own.with_sections(head={**own.artifact.sections["head"], "stability": found}))
    assert "uncertain by 41%" in told
    assert text in told
