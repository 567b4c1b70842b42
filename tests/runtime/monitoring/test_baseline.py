"""The normal levels of a machine, band by band."""

import numpy as np
import pytest

from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.runtime.monitoring.baseline import BandBaseline
from edgeae.runtime.scoring.calibration import calibrated
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained


@pytest.fixture(scope="module")
def fleet(trained: Trained) -> Detector:
    return Detector.load(trained.int8)


def baseline_of(detector: Detector) -> BandBaseline:
    return BandBaseline.of(detector.spec, detector.head, detector.artifact.explain)


def calibrated_on(fleet: Detector, n: int) -> Detector:
    """Calibrated on ``n`` windows that vary as the fleet's do."""
    features = fleet.head.fleet.mean + fleet.head.fleet.within_std * np.random.default_rng(
        n
    ).standard_normal((n, len(fleet.head.mean)))
    return calibrated(fleet, features)


@pytest.mark.parametrize("n", [1, 5, 50])
def test_the_limits_are_wider_after_a_short_calibration(fleet: Detector, n: int) -> None:
    """A mean of n windows varies by 1 / n of a window's variance, which adds to the variance."""
    within_std_db = fleet.head.fleet.within_std[1 : 1 + fleet.spec.n_mels] * fleet.band_std
    expected = within_std_db * np.sqrt(1 + 1 / n)
    np.testing.assert_allclose(baseline_of(calibrated_on(fleet, n)).band_std, expected, rtol=1e-5)


def test_the_level_of_a_short_calibration_is_less_certain_too(fleet: Detector) -> None:
    short = baseline_of(calibrated_on(fleet, 1))
    long = baseline_of(calibrated_on(fleet, 50))
    assert short.level_std / long.level_std == pytest.approx(np.sqrt(2 / 1.02), rel=1e-5)


def test_the_bands_are_the_mean_log_mel_of_the_calibration(fleet: Detector) -> None:
    sound = noise()
    windows = fleet.independent(fleet.windows([sound], 16000))
    baseline = baseline_of(calibrated(fleet, windows))
    unmasked = fleet.band_std < MASKED_BAND_STD_DB
    expected = log_mel(sound).mean(axis=0)
    np.testing.assert_allclose(baseline.bands[unmasked], expected[unmasked], atol=1.0)


def noise() -> Float32:
    return (0.05 * np.random.default_rng(0).standard_normal(16000 * 12)).astype(np.float32)


def test_bands_lie_between_rising_edges(fleet: Detector) -> None:
    edges = baseline_of(fleet).edges
    assert len(edges) == fleet.spec.n_mels + 2
    assert (np.diff(edges) > 0).all()
