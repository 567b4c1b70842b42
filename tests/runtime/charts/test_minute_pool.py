"""The pool of the last minute."""

import numpy as np
import pytest
from charted_machine import (
    DEVIATION,
    MEAN,
    N_FEATURES,
    PATCH_SECONDS,
    WINDOW_SECONDS,
    changed,
    charted_detector,
    normal_windows,
    windows_of,
)

from edgeae.runtime.charts.charts_setup import calibration_sound, chart_priors
from edgeae.runtime.charts.minute_pool import MAX_BURST_SECONDS, MinutePool, nearest_share
from edgeae.runtime.charts.view_chart import ViewChart
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

MINUTE = 60  # windows


@pytest.fixture
def charts() -> list[ViewChart]:
    detector = charted_detector()
    sound = calibration_sound(detector)
    fleet = detector.head.fleet
    return [
        ViewChart(fleet, view, prior, 60 / WINDOW_SECONDS, sound)
        for view, prior in zip(fleet.views, chart_priors(detector), strict=True)
    ]


@pytest.fixture
def pool(charts: list[ViewChart]) -> MinutePool:
    std = np.full(N_FEATURES, DEVIATION)
    return MinutePool(charts, std, window_seconds=WINDOW_SECONDS, patch_seconds=PATCH_SECONDS)


def push(pool: MinutePool, features: Float64) -> None:
    for window in windows_of(features):
        assert pool.push(window)


def test_it_is_full_after_a_minute_and_complete_at_the_end_of_each(pool: MinutePool) -> None:
    states = []
    for window in windows_of(normal_windows(2 * MINUTE)):
        pool.push(window)
        states.append((pool.is_full, pool.is_complete))
    assert pool.n_windows == MINUTE
    assert [k for k, (full, _) in enumerate(states, 1) if full] == list(range(60, 121))
    assert [k for k, (_, complete) in enumerate(states, 1) if complete] == [60, 120]


def test_a_minute_of_equal_windows_is_one_of_them(pool: MinutePool) -> None:
    row = normal_windows(1)[0]
    push(pool, np.tile(row, (MINUTE, 1)))
    np.testing.assert_allclose(pool.pooled().vector[1:], row[1:] / DEVIATION)


def test_the_projected_minute_is_the_projection_of_its_mean(
    pool: MinutePool, charts: list[ViewChart]
) -> None:
    push(pool, normal_windows(90))
    pooled = pool.pooled()
    for chart, projected in zip(charts, pooled.projected, strict=True):
        expected = chart.project(pooled.vector[chart.view.features] - chart.mean)
        np.testing.assert_allclose(projected, expected, atol=1e-9)


@pytest.mark.parametrize("start", [5, 15, 19])
def test_a_burst_does_not_move_a_minute(pool: MinutePool, start: int) -> None:
    calm = normal_windows(MINUTE)
    burst = changed(calm, 50.0, start, round(MAX_BURST_SECONDS))
    push(pool, burst)
    moved = pool.pooled().vector - MEAN / DEVIATION
    assert np.abs(moved[1:]).max() < 2


def test_a_change_that_lasts_moves_it_once_the_lag_is_over(pool: MinutePool) -> None:
    n_lag = round(pool.lag_seconds / PATCH_SECONDS)
    push(pool, changed(normal_windows(MINUTE + n_lag), 50.0, MINUTE, n_lag))
    assert np.median(pool.pooled().vector[1:]) < MEAN / DEVIATION + 5
    push(pool, normal_windows(MINUTE) + 50 * DEVIATION)
    assert np.median(pool.pooled().vector[1:]) > MEAN / DEVIATION + 45


def test_windows_that_are_short_or_too_soon_are_not_pooled(charts: list[ViewChart]) -> None:
    std = np.full(N_FEATURES, DEVIATION)
    pool = MinutePool(charts, std, window_seconds=WINDOW_SECONDS, patch_seconds=0.25)
    row = normal_windows(1)[0]
    assert not pool.push(Window(1.0, row, -30.0, is_full=False))
    assert [pool.push(Window(1.0, row, -30.0)) for _ in range(7)] == [
        False,
        False,
        False,
        True,
        False,
        False,
        False,
    ]


def test_nothing_is_left_after_a_reset(pool: MinutePool) -> None:
    push(pool, normal_windows(MINUTE))
    pool.reset()
    assert (pool.is_full, pool.is_complete) == (False, False)


@pytest.mark.parametrize(("seconds", "share"), [(10.0, 1 / 3), (6.0, 0.4), (30.0, 0.2)])
def test_as_many_windows_count_as_a_burst_leaves_alone(seconds: float, share: float) -> None:
    assert nearest_share(seconds) == pytest.approx(share)
