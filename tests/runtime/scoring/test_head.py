"""The score against a slow, plain computation of what the head's docstring says, in float64."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import OAS

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.sections import HeadSection, read_section, to_values
from edgeae.runtime.scoring.fleet import (
    MAX_GAIN_DIRECTIONS,
    MAX_NOISE_DIRECTIONS,
    Fleet,
    oas_shrinkage,
)
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.system.arrays import Float64

N_MELS, SIZE = 8, 25  # 1 + 2 * (8 + 2 + 2)
SOURCES = (slice(1, 13), slice(13, 25))  # input, residual
# Within the source that begins there: spectrum and variation of the input, all of the residual.
VIEWS_OF_SOURCE = {1: (slice(0, 8), slice(8, 12)), 13: (slice(0, 12),)}
NO_GAIN = np.empty((0, SIZE))
RESIDUAL_MEANS = slice(13, 21)


@pytest.fixture(scope="module")
def machines() -> list[Float64]:
    """Windows of four machines whose window_features vary together, each around a mean of its
    own."""
    rng = np.random.default_rng(5)
    mixing = rng.standard_normal((SIZE, SIZE)) + 2 * np.eye(SIZE)
    return [
        10 * rng.standard_normal(SIZE) + rng.standard_normal((n, SIZE)) @ mixing
        for n in (40, 60, 50, 80)
    ]


@pytest.fixture(scope="module")
def fleet(machines: list[Float64]) -> Fleet:
    return Fleet.fit(machines[:3], NO_GAIN)


def changes_of_gain(n: int) -> Float64:
    """(n, SIZE) what changes of gain do: all bands of the input move alike, those of the
    residual each in its way."""
    rows = np.random.default_rng(4).uniform(-4, 4, (n, SIZE))
    rows[:, 1:9] = 1
    return np.asarray(rows * np.resize([6.0, -6.0, 12.0, -12.0], n)[:, None])


def plain_covariance(head: Head, source: slice, fleet: Float64) -> Float64:
    """(12, 12) of the features of the input or of the residual in normal sound."""
    own = head.machine_factor[:, source]
    blend = (1 - head.machine_weight) * fleet + head.machine_weight * own.T @ own
    ridge = 0.25 * oas_shrinkage(fleet, head.fleet.windows)
    covariance = (1 - ridge) * blend + ridge * np.eye(12)
    for row in head.fleet.gain_directions / head.fleet.within_std:
        covariance += np.outer(row[source], row[source])
    return covariance


def plain_distances(head: Head, window: Float64) -> list[float]:
    """ln of r' C^-1.2 r / n of each view, r being what the other view of its source leaves of it.

    The conditional covariance of a view is the inverse of its block of the precision matrix.
    """
    distances = []
    for source, fleet in zip(SOURCES, head.fleet.within_correlation, strict=True):
        covariance = plain_covariance(head, source, fleet)
        precision = np.linalg.inv(covariance)
        f = ((window - head.mean) / head.fleet.within_std)[source]
        for view in VIEWS_OF_SOURCE[source.start]:
            conditional = np.linalg.inv(precision[view, view])
            remaining = conditional @ (precision @ f)[view]
            inverse = fractional_matrix_power(conditional, -1.2)
            distances.append(math.log(remaining @ inverse @ remaining / len(remaining)))
    return distances


@pytest.mark.parametrize("n", [1, 2, 5, 80])
@pytest.mark.parametrize("examples", [0, 1, 3])
def test_gaussian_weighs_the_log_distances_by_how_well_the_network_knows_the_machine(
    machines: list[Float64], n: int, examples: int
) -> None:
    fleet = Fleet.fit(machines[:3], changes_of_gain(examples))
    windows = machines[3][:n] - machines[3].mean(axis=0) + fleet.mean + 0.5 * fleet.within_std
    head = Head.calibrated(fleet, windows)
    away, by_gain = (values[..., RESIDUAL_MEANS] / fleet.within_std[RESIDUAL_MEANS]
                     for values in (head.mean - fleet.mean, fleet.gain_directions))  # fmt: skip
    away -= by_gain.T @ np.linalg.lstsq(by_gain.T, away)[0]
    weight = math.exp(-max(0.0, float(np.mean(away**2)) - 1 / n))
    for window in windows[-3:] + 1:
        spectrum, variation, residual = plain_distances(head, window)
        assert head.score(window) == pytest.approx(
            (spectrum + variation + weight * residual) / (2 + weight), abs=1e-8
        )


def test_the_residual_of_a_strange_machine_hardly_counts(fleet: Fleet) -> None:
    known, strange = fleet.mean.copy(), fleet.mean.copy()
    strange[13:21] += 3 * fleet.within_std[13:21]
    weights = [Head.calibrated(fleet, np.array([mean] * 20)).weights for mean in (known, strange)]
    np.testing.assert_allclose(weights[0], [1 / 3, 1 / 3, 1 / 3])
    assert weights[1][2] < 1e-3
    assert weights[1].sum() == pytest.approx(1)


def test_each_view_counts_by_its_weight(fleet: Fleet, machines: list[Float64]) -> None:
    spectrum, variation, residual = fleet.views
    views = (replace(spectrum, weight=3.0), variation, replace(residual, weight=0.0))
    head = Head.calibrated(replace(fleet, views=views), machines[3][:5])
    np.testing.assert_allclose(head.weights, [0.75, 0.25, 0.0])
    np.testing.assert_allclose(head.with_kind("no_network").weights, [0.75, 0.25])


def test_what_two_views_share_is_in_neither(machines: list[Float64]) -> None:
    """Noise that moves the spectrum and the variation together is no change of the variation."""
    rng = np.random.default_rng(9)
    windows = rng.standard_normal((400, SIZE))
    windows[:, 9:13] = 2 * windows[:, 1:5] + 0.1 * windows[:, 9:13]
    head = Head.calibrated(Fleet.fit([windows], NO_GAIN), windows[:20])
    shared = np.zeros(SIZE)
    shared[1:5] = 1
    shared[9:13] = 2
    alone = np.zeros(SIZE)
    alone[9:13] = 2
    variation = 1
    of_shared, of_alone = head.distances(head.mean + np.array([shared, alone]))[:, variation]
    assert of_alone > of_shared + 3


def test_background_noise_is_no_fault(machines: list[Float64]) -> None:
    noise = 40 * np.random.default_rng(8).standard_normal((3, SIZE))
    plain, wise = (
        Head.calibrated(Fleet.fit(machines[:3], NO_GAIN, noise=changes), machines[3][:20])
        for changes in (None, noise)
    )
    assert plain.score(plain.mean + noise).min() > plain.score(machines[3][20:]).max()
    assert wise.score(wise.mean + noise).max() < wise.score(machines[3][20:]).mean()
    # The charts compare long means, in which faults stand out from noise.
    np.testing.assert_array_equal(wise.covariance("input"), plain.covariance("input"))


def test_the_head_of_a_noisy_fleet_survives_its_section(machines: list[Float64]) -> None:
    noise = np.random.default_rng(8).standard_normal((30, SIZE))
    head = Head.calibrated(Fleet.fit(machines[:3], NO_GAIN, noise=noise), machines[3][:20])
    assert len(head.fleet.noise_directions) == MAX_NOISE_DIRECTIONS
    again = Head.from_section(head.to_section(10.0))
    np.testing.assert_array_equal(again.score(machines[3]), head.score(machines[3]))


def test_a_change_of_gain_is_no_fault(machines: list[Float64]) -> None:
    changes = changes_of_gain(4)
    plain, wise = (
        Head.calibrated(Fleet.fit(machines[:3], gain), machines[3][:20])
        for gain in (NO_GAIN, changes)
    )
    assert plain.score(plain.mean + changes).min() > plain.score(machines[3][20:]).max()
    assert wise.score(wise.mean + changes).max() < wise.score(machines[3][20:]).mean()


def test_the_examples_of_gain_add_their_squares_to_the_covariance(machines: list[Float64]) -> None:
    changes = changes_of_gain(5)
    plain, wise = (
        Head.calibrated(Fleet.fit(machines[:3], gain), machines[3][:20])
        for gain in (NO_GAIN, changes)
    )
    for name, source in wise.fleet.sources.items():
        rows = (changes / wise.fleet.within_std)[:, source]
        np.testing.assert_allclose(
            wise.covariance(name) - plain.covariance(name), rows.T @ rows, atol=1e-9
        )


def test_the_strongest_directions_of_gain_are_kept(machines: list[Float64]) -> None:
    strong, weak = (
        changes_of_gain(MAX_GAIN_DIRECTIONS),
        1e-6 * np.random.default_rng(6).standard_normal((30, SIZE)),
    )
    fleet = Fleet.fit(machines[:3], np.vstack([weak, strong]))
    assert fleet.gain_directions.shape == (MAX_GAIN_DIRECTIONS, SIZE)
    np.testing.assert_allclose(
        fleet.gain_directions.T @ fleet.gain_directions, strong.T @ strong, atol=1e-3
    )


def test_the_ridge_is_a_quarter_of_what_oas_gives(machines: list[Float64]) -> None:
    fleet = Fleet.fit(machines[:3], NO_GAIN)
    head = Head.calibrated(fleet, machines[3][:1])  # a covariance of its own it has not
    for source, correlation in zip(fleet.sources, fleet.within_correlation, strict=True):
        ridge = oas_shrinkage(correlation, fleet.windows) / 4
        np.testing.assert_allclose(
            head.covariance(source), (1 - ridge) * correlation + ridge * np.eye(12)
        )


def test_what_a_gain_does_to_the_residual_makes_no_machine_strange(machines: list[Float64]) -> None:
    changes = changes_of_gain(2)
    fleet, plain = Fleet.fit(machines[:3], changes), Fleet.fit(machines[:3], NO_GAIN)
    other = np.zeros(SIZE)
    other[RESIDUAL_MEANS] = 3 * fleet.within_std[RESIDUAL_MEANS] * [1, -1, 1, -1, 1, -1, 1, -1]
    for change in (*changes, changes.sum(axis=0)):
        assert plain.domain_shift(plain.mean + 9 * change, 100) > 1
        assert fleet.domain_shift(fleet.mean + 9 * change, 100) == 0
        assert fleet.domain_shift(fleet.mean + other + 9 * change, 100) == pytest.approx(
            fleet.domain_shift(fleet.mean + other, 100)
        )
    assert fleet.domain_shift(fleet.mean + other, 100) > 1


def test_no_network_is_the_distances_of_the_input_alone(
    fleet: Fleet, machines: list[Float64]
) -> None:
    head = Head.calibrated(fleet, machines[3][:5], "no_network")
    window = machines[3][9].copy()
    before = head.score(window)
    assert before == pytest.approx(np.mean(plain_distances(head, window)[:2]), abs=1e-8)
    window[SOURCES[1]] += 100
    assert head.score(window) == before


def test_mse_is_the_energy(fleet: Fleet, machines: list[Float64]) -> None:
    head = Head.calibrated(fleet, machines[3][:5], "mse")
    np.testing.assert_array_equal(head.score(machines[3]), machines[3][:, 0])


def test_many_windows_score_as_each_alone(fleet: Fleet, machines: list[Float64]) -> None:
    head = Head.calibrated(fleet, machines[3][:5])
    np.testing.assert_allclose(
        head.score(machines[3]), [head.score(window) for window in machines[3]], rtol=1e-12
    )


def test_fleet_weighs_every_machine_the_same(machines: list[Float64]) -> None:
    pair = Fleet.fit(machines[:2], NO_GAIN)
    variances = [windows.var(axis=0, ddof=1) for windows in machines[:2]]
    np.testing.assert_allclose(pair.within_std**2, np.mean(variances, axis=0))
    for view, correlation in zip(SOURCES, pair.within_correlation, strict=True):
        covariances = [np.cov((windows / pair.within_std)[:, view].T) for windows in machines[:2]]
        np.testing.assert_allclose(correlation, np.mean(covariances, axis=0))


def test_fleet_does_not_depend_on_the_means_of_its_machines(machines: list[Float64]) -> None:
    moved = Fleet.fit([windows + 7 * k for k, windows in enumerate(machines)], NO_GAIN)
    np.testing.assert_allclose(
        moved.within_correlation, Fleet.fit(machines, NO_GAIN).within_correlation, atol=1e-10
    )


def test_fleet_needs_one_machine_with_two_windows(machines: list[Float64]) -> None:
    with pytest.raises(ValueError, match="two windows"):
        Fleet.fit([windows[:1] for windows in machines], NO_GAIN)


def test_oas_by_hand() -> None:
    # square 2.5, trace 2: (0 * 2.5 + 4) / ((11 - 1) * (2.5 - 2))
    assert oas_shrinkage(np.array([[1, 0.5], [0.5, 1]]), 10) == pytest.approx(0.8)


@given(st.integers(3, 40), st.integers(5, 300), st.integers(0, 2**16))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_oas_is_sklearn_s_but_for_the_terms_of_2_over_p_that_it_drops(
    p: int, n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) @ (np.eye(p) + rng.standard_normal((p, p)) / p)
    theirs = OAS(assume_centered=True).fit(x).shrinkage_
    ours = oas_shrinkage(x.T @ x / n, n)
    assert (
        theirs * (1 - 2 / p) - 1e-9 <= ours <= min(1, theirs / (1 - 2 / (p * (n + 1)))) + 1e-9
        or ours == 1 == theirs
    )


def test_oas_falls_with_the_number_of_samples() -> None:
    correlation = np.array([[1, 0.9, 0], [0.9, 1, 0.3], [0, 0.3, 1]])
    shares = [oas_shrinkage(correlation, n) for n in (2, 5, 20, 100, 10**6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 1e-4


def test_oas_of_the_identity_is_all() -> None:
    assert oas_shrinkage(np.eye(5), 100) == 1


def test_a_shifted_mean_raises_the_score(fleet: Fleet, machines: list[Float64]) -> None:
    head = Head.calibrated(fleet, machines[3][:20])
    shifts = [head.score(head.mean + amount * fleet.within_std) for amount in (0.5, 1, 2, 4)]
    assert shifts == sorted(shifts)
    assert shifts[-1] - shifts[0] == pytest.approx(
        2 * math.log(8)
    )  # a distance is quadratic, its score logarithmic


def test_a_change_against_the_correlation_scores_higher_than_one_along_it() -> None:
    rng = np.random.default_rng(2)
    windows = rng.standard_normal((200, SIZE))
    windows[:, 2] = windows[:, 1] + 0.1 * windows[:, 2]  # two bands that go up and down together
    head = Head.calibrated(Fleet.fit([windows], NO_GAIN), windows[:10])
    along, against = np.zeros(SIZE), np.zeros(SIZE)
    along[1:3], against[1:3] = (2, 2), (2, -2)
    assert head.score(head.mean + against) > head.score(head.mean + along) + 1


def test_one_window_is_enough_to_calibrate(fleet: Fleet, machines: list[Float64]) -> None:
    head = Head.calibrated(fleet, machines[3][:1])
    np.testing.assert_array_equal(head.mean, machines[3][0])
    assert head.machine_weight == 0
    assert np.isfinite(head.score(machines[3])).all()


def test_a_machine_s_own_covariance_counts_more_with_more_windows_up_to_a_fifth(
    fleet: Fleet, machines: list[Float64]
) -> None:
    weights = [
        Head.calibrated(fleet, machines[3][:n]).machine_weight for n in (1, 2, 10, 24, 26, 80)
    ]
    assert weights == sorted(weights)
    assert weights[-2:] == [0.2, 0.2]


@pytest.mark.parametrize(
    ("n", "weight"), [(1, 0.0), (5, 0.047619), (10, 0.090909), (25, 0.2), (80, 0.2)]
)
def test_the_weight_of_a_machine_s_own_covariance_by_its_windows(
    fleet: Fleet, machines: list[Float64], n: int, weight: float
) -> None:
    at_once = Head.calibrated(fleet, machines[3][:n])
    assert at_once.machine_weight == pytest.approx(weight, abs=1e-6)
    if n > 1:
        in_two_sessions = Head.calibrated(fleet, machines[3][:1]).extended(machines[3][1:n])
        assert in_two_sessions.machine_weight == pytest.approx(weight, abs=1e-6)


def test_own_holds_the_machine_s_covariance(fleet: Fleet, machines: list[Float64]) -> None:
    head = Head.calibrated(fleet, machines[3])
    np.testing.assert_allclose(
        head.machine_factor.T @ head.machine_factor,
        np.cov((machines[3] / fleet.within_std).T),
        atol=1e-9,
    )
    assert len(head.machine_factor) == SIZE  # no more rows than window_features


def test_the_head_before_calibration_expects_any_machine_of_the_fleet(
    machines: list[Float64],
) -> None:
    head = Head.of_fleet(Fleet.fit(machines, NO_GAIN), machines)
    known = np.mean([head.score(windows).mean() for windows in machines])
    stranger = head.score(machines[0] + 1000).mean()
    assert stranger > known + 5


@pytest.mark.parametrize("n", [1, 5, 60])
def test_a_head_survives_its_section(fleet: Fleet, machines: list[Float64], n: int) -> None:
    head = Head.calibrated(fleet, machines[3][:n], "no_network")
    again = Head.from_section(head.to_section(10.0))
    assert (again.kind, again.windows, again.machine_weight) == (
        head.kind,
        head.windows,
        head.machine_weight,
    )
    np.testing.assert_array_equal(again.score(machines[3]), head.score(machines[3]))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 79), min_size=1, max_size=4, unique=True))
def test_sessions_that_are_added_give_the_head_of_all_windows_at_once(
    fleet: Fleet, machines: list[Float64], cuts: list[int]
) -> None:
    first, *others = np.split(machines[3], sorted(cuts))
    head, once = Head.calibrated(fleet, first), Head.calibrated(fleet, machines[3])
    for windows in others:
        head = head.extended(windows)
    assert (head.windows, head.machine_weight) == (once.windows, once.machine_weight)
    np.testing.assert_allclose(head.mean, once.mean, rtol=1e-10)
    np.testing.assert_allclose(
        head.machine_factor.T @ head.machine_factor,
        once.machine_factor.T @ once.machine_factor,
        rtol=1e-9,
        atol=1e-9,
    )
    np.testing.assert_allclose(head.score(machines[2]), once.score(machines[2]), rtol=1e-8)


def _without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {k: v for k, v in values.items() if k != key}


def _with(key: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {**values, key: value}


def _with_fleet(key: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {**values, "fleet": {**values["fleet"], key: value}}


@pytest.mark.parametrize(
    "damage",
    [
        *map(
            _without,
            ["kind", "exponent", "mean", "machine_factor", "machine_weight", "windows", "fleet"],
        ),
        _with("kind", "oracle"),
        _with("exponent", 1.0),
        _with("mean", [0.0] * SIZE),
        _with("mean", np.zeros(SIZE + 2)),
        _with("mean", np.zeros(0)),
        _with("mean", np.zeros(2_000_001)),  # refused before its square is allocated
        _with("machine_factor", np.zeros((3, SIZE + 1))),
        _with("machine_weight", "much"),
        _with("windows", None),
        _with("fleet", None),
        _with_fleet("within_std", np.zeros(SIZE)),
        _with_fleet("mean", np.zeros(SIZE - 1)),
        _with_fleet("gain_directions", None),
        _with_fleet("gain_directions", np.zeros(SIZE)),
        _with_fleet("gain_directions", np.zeros((2, SIZE - 1))),
        _with_fleet("noise_directions", np.zeros((2, SIZE - 1))),
        _with_fleet("within_std", np.ones(SIZE - 1)),
        _with_fleet("within_correlation_upper", np.zeros(2 * 78 - 1)),
        _with_fleet("within_correlation_upper", np.zeros((2, 78))),
        _with_fleet("views", []),
        _with_fleet("views", None),
        _with_fleet("views", [{"name": "all", "source": "input", "n_features": 24, "weight": 1}]),
        _with_fleet("within_correlation_upper", np.zeros(1)),
        _with_fleet("windows", "many"),
    ],
)
def test_a_damaged_section_is_an_artifact_error(
    fleet: Fleet, machines: list[Float64], damage: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    values: Any = to_values(Head.calibrated(fleet, machines[3][:5]).to_section(10.0))
    with pytest.raises(ArtifactError, match="scoring head is damaged"):
        Head.from_section(read_section(HeadSection, damage(values), "head"))


def test_rounding_in_a_direction_without_sound_does_not_decide_a_score() -> None:
    """Two features that always agree, but for rounding, would count most without it."""
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((200, SIZE))
    windows[:, 2] = windows[:, 1] + 0.01 * windows[:, 2]
    error = np.zeros((200, SIZE))
    error[:, 2] = rng.standard_normal(200)

    def movement(fleet: Fleet) -> float:
        head = Head.calibrated(fleet, windows[:5])
        return float(np.std(head.score(windows + error) - head.score(windows)))

    declared = Fleet.fit([windows], NO_GAIN, rounding=error / np.sqrt(200))
    assert movement(declared) < 0.5 * movement(Fleet.fit([windows], NO_GAIN))


def test_rounding_counts_at_most_as_much_as_the_sound(machines: list[Float64]) -> None:
    plain = Fleet.fit(machines[:3], NO_GAIN)
    fleet = Fleet.fit(machines[:3], NO_GAIN, rounding=np.full((1, SIZE), 100.0))
    for with_rounding, without in zip(
        fleet.within_correlation, plain.within_correlation, strict=True
    ):
        np.testing.assert_allclose(np.diag(with_rounding - without), 1)
    Head.from_section(Head.of_fleet(fleet, machines[:3]).to_section(10.0))
