"""What the charts of a new machine are told, learned from synthetic machines."""

from dataclasses import replace

import numpy as np
import pytest
from charted_machine import N_FEATURES, SPEC, normal_windows

from edgeae.quantize.chart_priors import GENERAL, MachineStream, fit_chart_priors
from edgeae.runtime.model.sections import ChartPriorSection
from edgeae.runtime.scoring.views import views_of

NO_GAIN = np.zeros((0, N_FEATURES))
VIEWS = views_of(SPEC.n_mels)


def streams(minutes: int) -> list[MachineStream]:
    """Three machines of normal sound."""
    return [
        MachineStream(normal_windows(60 * minutes, seed), step_seconds=1.0, window_seconds=10.0)
        for seed in range(3)
    ]


def priors(minutes: int) -> dict[str, ChartPriorSection]:
    return {prior.view: prior for prior in fit_chart_priors(streams(minutes), NO_GAIN, VIEWS)}


def test_streams_that_are_too_short_leave_the_general_values() -> None:
    for prior in priors(7).values():
        assert (prior.offset, prior.spread) == pytest.approx((GENERAL.offset, GENERAL.spread))


def test_every_view_has_a_prior_of_a_plausible_size() -> None:
    learned = priors(16)
    assert list(learned) == ["spectrum", "variation", "residual"]
    for prior in learned.values():
        assert 0.1 < prior.spread < 0.8
        assert abs(prior.offset) < 1.5


def test_the_unit_of_the_features_does_not_matter() -> None:
    scale = np.geomspace(0.5, 20, N_FEATURES)
    scaled = [replace(stream, windows=stream.windows * scale) for stream in streams(16)]
    for prior in fit_chart_priors(scaled, NO_GAIN, VIEWS):
        expected = priors(16)[prior.view]
        assert prior.offset == pytest.approx(expected.offset, abs=2e-4)
        assert prior.spread == pytest.approx(expected.spread, abs=2e-4)
