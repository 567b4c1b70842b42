"""What charts begin with."""

from types import SimpleNamespace

import numpy as np
import pytest
from charted_machine import DEVIATION, N_FEATURES, PATCHES, charted_detector

from edgeae.runtime.charts.charts_setup import (
    FLEET_MEAN_WEIGHT,
    calibrated_charts,
    calibration_sound,
    chart_priors,
    has_charts,
)
from edgeae.runtime.charts.view_chart import ChartPrior
from edgeae.runtime.errors import ArtifactError


def test_only_a_calibrated_machine_with_a_distance_has_charts() -> None:
    detector = charted_detector()
    assert has_charts(detector)
    assert not has_charts(SimpleNamespace(**{**vars(detector), "machine": None}))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, N_FEATURES), (3, N_FEATURES - 1)])
def test_a_damaged_calibration_is_refused(shape: tuple[int, int]) -> None:
    detector = charted_detector()
    detector.artifact.head.machine_sound.__dict__["windows"] = np.zeros(shape)
    with pytest.raises(ArtifactError, match="calibrate the machine anew"):
        calibration_sound(detector)


def test_the_sound_of_the_calibration_is_in_deviations_of_the_fleet() -> None:
    detector = charted_detector()
    sound = calibration_sound(detector)
    section = detector.artifact.head.machine_sound
    np.testing.assert_allclose(sound.windows * DEVIATION, section.windows)
    assert (sound.n_windows, sound.n_learned, len(sound.minutes)) == (section.n_windows, 0, 0)
    assert section.n_windows > PATCHES


def test_a_view_without_a_prior_of_the_fleet_has_general_values() -> None:
    detector = charted_detector()
    detector.artifact.head.chart_priors = (
        SimpleNamespace(view="residual", offset=0.25, spread=0.5),
    )
    spectrum, variation, residual = chart_priors(detector)
    assert spectrum == variation == ChartPrior()
    assert (residual.offset, residual.spread) == (0.25, 0.5)


def test_a_calibration_on_clips_of_the_fleet_says_little_of_the_mean() -> None:
    detector = charted_detector()
    detector.artifact.head.machine_sound.__dict__["is_of_fleet"] = True
    assert {prior.mean_weight for prior in chart_priors(detector)} == {FLEET_MEAN_WEIGHT}
    assert calibration_sound(detector).n_windows == 1


def test_the_charts_of_a_calibration_are_fitted_once() -> None:
    detector = charted_detector()
    assert calibrated_charts(detector) is calibrated_charts(detector)
    assert [chart.view.name for chart in calibrated_charts(detector)] == [
        "spectrum",
        "variation",
        "residual",
    ]
