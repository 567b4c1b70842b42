"""The distance of pooled sound from normal sound, on windows from a normal distribution."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.charts.normal_sound import NormalSound
from edgeae.runtime.charts.view_chart import (
    MIN_MINUTES,
    MIN_TAIL_VALUES,
    SLOW_SHARE,
    ChartPrior,
    InControl,
    ViewChart,
    mean_square,
)
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.views import views_of
from edgeae.runtime.scoring.window_features import n_features_of
from edgeae.runtime.system.arrays import Float64
from tests.runtime.conftest import plain_fleet

SIZE = n_features_of(16)
SPECTRUM = views_of(16)[0]
PER_MINUTE = 6.0  # windows that do not overlap
NO_MINUTES = np.empty((0, 0))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return replace(plain_fleet(SIZE, 1.0), windows=1000)


def drawn(n: int, seed: int) -> Float64:
    """(n, SIZE) windows in deviations of the fleet."""
    return np.random.default_rng(seed).standard_normal((n, SIZE))


def minute(seed: int) -> Float64:
    """(SIZE,) the mean of a normal minute."""
    return np.asarray(drawn(int(PER_MINUTE), seed).mean(axis=0))


def normal_sound(n_minutes: int = 0) -> NormalSound:
    windows = drawn(30, 0)
    minutes = [minute(1000 + k) for k in range(n_minutes)]
    return NormalSound(windows, len(windows), windows.mean(axis=0), minutes, n_minutes)


def chart_of(fleet: Fleet, sound: NormalSound) -> ViewChart:
    return ViewChart(fleet, SPECTRUM, ChartPrior(), PER_MINUTE, sound)


def distances(chart: ViewChart, minutes: int, shift: float = 0.0) -> Float64:
    """d of 300 pools of so many minutes."""
    pools = [drawn(round(minutes * PER_MINUTE), seed).mean(axis=0) for seed in range(1, 301)]
    return np.array(
        [chart.distance((pool + shift)[SPECTRUM.features], minutes, NO_MINUTES) for pool in pools]
    )


def test_the_distance_of_normal_sound_does_not_depend_on_its_duration(fleet: Fleet) -> None:
    chart = chart_of(fleet, normal_sound())
    one = distances(chart, 1)
    four = distances(chart, 4)
    assert four.mean() == pytest.approx(one.mean(), abs=0.15)
    assert 0.7 < four.std() / one.std() < 1.4


def test_the_distance_of_normal_sound_is_what_the_chart_expects(fleet: Fleet) -> None:
    chart = chart_of(fleet, normal_sound(20))
    values = distances(chart, 1)
    assert values.mean() == pytest.approx(chart.minute.mean, abs=0.2)
    assert values.std() == pytest.approx(chart.minute.spread, rel=0.4)


def test_a_shift_raises_the_distance_and_more_so_of_longer_sound(fleet: Fleet) -> None:
    chart = chart_of(fleet, normal_sound())
    rises = [distances(chart, n, 0.5).mean() - distances(chart, n).mean() for n in (1, 4, 15)]
    assert 0.5 < rises[0] < rises[1] < rises[2]


def test_the_distance_is_that_of_its_definition(fleet: Fleet) -> None:
    sound = normal_sound()
    chart = chart_of(fleet, sound)
    pooled = minute(7)[SPECTRUM.features]
    square = mean_square(chart.project(pooled - sound.windows_mean[SPECTRUM.features]))
    expected = np.log(square) - np.log(1 / (2 * PER_MINUTE) + 1 / 30 + SLOW_SHARE)
    assert chart.distance(pooled, 2, NO_MINUTES) == pytest.approx(expected)


def test_a_projected_minute_has_the_same_distance(fleet: Fleet) -> None:
    chart = chart_of(fleet, normal_sound(5))
    pooled = minute(7)[SPECTRUM.features]
    projected = chart.project(pooled - chart.mean)
    assert chart.minute_distance(projected) == pytest.approx(chart.distance(pooled, 1, NO_MINUTES))
    assert chart.squares(pooled - chart.mean) == pytest.approx(mean_square(projected))


def test_the_mean_weights_windows_and_minutes_by_their_sound(fleet: Fleet) -> None:
    sound = normal_sound(10)
    chart = chart_of(fleet, sound)
    minutes = np.mean(sound.minutes, axis=0)
    expected = (30 * sound.windows_mean + 60 * minutes) / 90
    np.testing.assert_allclose(chart.mean, expected[SPECTRUM.features])
    assert chart.n_windows == 90


def test_minutes_that_are_judged_do_not_count_in_the_mean_that_judges_them(fleet: Fleet) -> None:
    sound = normal_sound(10)
    chart = chart_of(fleet, sound)
    removed = np.array(sound.minutes[6:])[:, SPECTRUM.features]
    pooled = removed.mean(axis=0)
    others = (30 * sound.windows_mean + 36 * np.mean(sound.minutes[:6], axis=0)) / 66
    square = mean_square(chart.project(pooled - others[SPECTRUM.features]))
    expected = np.log(square) - np.log(1 / (4 * PER_MINUTE) + 1 / 66 + SLOW_SHARE)
    assert chart.distance(pooled, 4, removed) == pytest.approx(expected)
    assert chart.distance(pooled, 4, NO_MINUTES) < chart.distance(pooled, 4, removed)


def test_fewer_minutes_than_a_cross_validation_needs_change_no_spread(fleet: Fleet) -> None:
    few = chart_of(fleet, normal_sound(MIN_MINUTES - 1))
    assert few.minute == chart_of(fleet, normal_sound()).minute
    assert chart_of(fleet, normal_sound(MIN_MINUTES)).minute.degrees > few.minute.degrees


def test_one_calibration_window_is_enough(fleet: Fleet) -> None:
    window = drawn(1, 0)
    chart = chart_of(fleet, NormalSound(window, 1, window[0]))
    assert np.isfinite(distances(chart, 1)).all()
    assert np.isfinite(chart.minute.mean)


def test_in_control_is_a_weighted_mean_and_a_pooled_variance() -> None:
    values = np.array([1.0, 2.0, 4.0])
    updated = InControl(mean=0.0, mean_weight=2.0, spread=0.5, degrees=10.0).updated(values)
    assert updated.mean == pytest.approx((2 * 0.0 + 1 + 2 + 4) / 5)
    assert updated.mean_weight == 5
    assert updated.degrees == 12
    assert updated.spread == pytest.approx(np.sqrt((10 * 0.25 + 2 * np.var(values, ddof=1)) / 12))


def test_without_values_in_control_stays_as_it_is() -> None:
    prior = InControl(0.3, 2.0, 0.5, 10.0)
    assert prior.updated(np.empty(0)) == prior


def test_a_deviation_counts_the_uncertainty_of_the_mean() -> None:
    in_control = InControl(mean=1.0, mean_weight=3.0, spread=0.5, degrees=10.0)
    assert in_control.deviation(2.0) == pytest.approx(1.0 / (0.5 * np.sqrt(1 + 1 / 3)))


def test_of_heavy_tails_the_limit_follows_the_highest_values() -> None:
    rng = np.random.default_rng(0)
    start = InControl(mean=0.0, mean_weight=1.0, spread=1.0, degrees=20.0)
    normal = start.updated(rng.normal(size=200))
    heavy = start.updated(rng.exponential(size=200) ** 1.5)
    assert heavy.limit(1e-5) > 1.3 * normal.limit(1e-5)


def test_few_values_have_no_tail() -> None:
    start = InControl(mean=0.0, mean_weight=1.0, spread=1.0, degrees=20.0)
    assert start.updated(np.arange(MIN_TAIL_VALUES - 1.0)).tail is None
    assert start.updated(np.arange(float(MIN_TAIL_VALUES))).tail is not None


@given(st.floats(1e-9, 1e-3), st.floats(1.1, 100))
def test_a_rarer_alarm_has_a_higher_limit(probability: float, factor: float) -> None:
    values = np.random.default_rng(1).normal(size=60)
    chart = InControl(0.0, 1.0, 1.0, 20.0).updated(values)
    assert chart.limit(probability) > chart.limit(min(0.4, factor * probability))


def test_a_change_like_background_noise_is_nearer_than_any_other(fleet: Fleet) -> None:
    noise = np.zeros(SIZE)
    noise[SPECTRUM.features] = np.linspace(0.2, 0.8, SPECTRUM.n_features)
    other = np.zeros(SIZE)
    other[SPECTRUM.features] = np.linspace(0.2, 0.8, SPECTRUM.n_features)[::-1]
    declared = replace(fleet, noise_directions=noise[None])
    chart = chart_of(declared, normal_sound())
    shifts = 3 * np.stack([noise, other])[:, SPECTRUM.features]
    by_noise, by_other = chart.squares(shifts)
    assert by_noise < by_other / 2
    undeclared = chart_of(fleet, normal_sound())
    assert by_noise < undeclared.squares(shifts)[0] / 5
