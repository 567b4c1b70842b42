"""Budgets, and the thresholds that follow from them."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_machines import WINDOW, correlated_machines, fitted_threshold

from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.sections import read_section
from edgeae.runtime.scoring.fleet import Fleet
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import (
    Reference,
    Threshold,
    fit_threshold,
    interpolated,
    leave_one_out_scores,
    neighbours,
    probability_of,
    quantile,
    quantile_with_tail,
)


@pytest.mark.parametrize(
    ("budget", "probability"),
    [
        ("1/hour", 10 / 3600),
        ("1/day", 10 / 86400),
        ("2/day", 20 / 86400),
        ("1/week", 10 / 604800),
        ("0.5/month", 5 / 2629800),
        ("5%", 0.05),
        (" 0.1 % ", 0.001),
        ("50%", 0.5),
    ],
)
def test_a_budget_is_a_probability_per_window(budget: str, probability: float) -> None:
    assert probability_of(budget, WINDOW) == pytest.approx(probability)


def test_a_longer_window_leaves_fewer_chances() -> None:
    assert probability_of("1/day", 20) == 2 * probability_of("1/day", 10)


@pytest.mark.parametrize(
    "budget",
    [
        "",
        "1",
        "day",
        "/day",
        "1/",
        "1/fortnight",
        "1 per day",
        "0/day",
        "-1/day",
        "nan/day",
        "inf%",
        "0%",
        "51%",
        "5%%",
        "5%/day",
        "1/day/week",
        "1000/hour",
    ],
)
def test_a_bad_budget_is_refused_and_quoted(budget: str) -> None:
    with pytest.raises(ConfigError) as error:
        probability_of(budget, WINDOW)
    assert repr(budget) in str(error.value)
    assert "1/day" in str(error.value)


def test_a_rarer_budget_is_a_higher_threshold(
    simulated_references: list[Reference], simulated_fleet: Fleet
) -> None:
    windows = correlated_machines(1, 5, seed=5)[0]
    head = Head.calibrated(simulated_fleet, windows)
    budgets = ["20%", "5%", "1%", "1/hour", "1/day", "1/week", "1/month"]
    values = [
        fitted_threshold(simulated_references, head, windows, budget).value for budget in budgets
    ]
    assert values == sorted(values)
    assert len(set(values)) == len(values)


def test_a_machine_that_strays_more_gets_a_higher_threshold(
    simulated_references: list[Reference], simulated_fleet: Fleet
) -> None:
    windows = correlated_machines(1, 5, seed=6)[0]
    values = []
    for spread in (0.5, 1.0, 2.0):
        mine = windows.mean(axis=0) + spread * (windows - windows.mean(axis=0))
        values.append(
            fitted_threshold(
                simulated_references, Head.calibrated(simulated_fleet, mine), mine, "5%"
            ).value
        )
    assert values == sorted(values)


def test_left_out_parts_come_from_heads_without_the_window(simulated_fleet: Fleet) -> None:
    windows = correlated_machines(1, 4, seed=7)[0]
    expected = [
        Head.calibrated(simulated_fleet, np.delete(windows, k, 0)).parts(windows[k])
        for k in range(4)
    ]  # four windows are four folds
    np.testing.assert_allclose(
        leave_one_out_scores(simulated_fleet, windows, "gaussian"), expected, rtol=1e-9
    )


def test_left_out_parts_of_many_windows_are_one_each(simulated_fleet: Fleet) -> None:
    assert leave_one_out_scores(
        simulated_fleet, correlated_machines(1, 23, seed=8)[0], "gaussian"
    ).shape == (
        23,
        3,
    )


def test_the_threshold_weighs_the_reference_as_the_machine_is_weighed(
    simulated_fleet: Fleet,
) -> None:
    """Normal windows are 1 to 2 by their input; the residual, far higher, hardly counts for a
    strange machine."""
    of_input = np.linspace(1, 2, 101)
    parts = np.stack([of_input, of_input, np.linspace(50, 60, 101)], axis=1)
    mean = simulated_fleet.mean + 9 * simulated_fleet.within_std
    strange = Head.calibrated(simulated_fleet, mean[None])
    threshold = fit_threshold([Reference(0, parts, np.zeros(3))], strange, "50%", WINDOW, windows=1)
    assert threshold.value == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize(
    ("budget", "extrapolated"), [("5%", False), ("1%", False), ("1/day", True)]
)
def test_a_budget_rarer_than_the_reference_shows_is_marked(
    simulated_references: list[Reference], simulated_fleet: Fleet, budget: str, extrapolated: bool
) -> None:
    windows = correlated_machines(1, 5, seed=10)[0]
    threshold = fitted_threshold(
        simulated_references, Head.calibrated(simulated_fleet, windows), windows, budget
    )
    assert threshold.reference_windows == len(simulated_references[5].parts) == 8 * 48
    assert threshold.extrapolated is extrapolated


def test_support_says_what_the_data_can_promise() -> None:
    threshold = Threshold(1.0, "5%", 0.05, 224, extrapolated=False, window=WINDOW)
    assert threshold.support() == (
        "224 normal windows of the training are known, and 5% allows 1 false alarm in 20 windows"
    )


def test_support_says_that_a_rare_budget_is_extrapolated_and_what_would_show_it() -> None:
    threshold = Threshold(1.0, "1/day", 10 / 86400, 224, extrapolated=True, window=WINDOW)
    assert threshold.support() == (
        "224 normal windows of the training are known; 1/day allows 1 false alarm in 8640 windows, "
        "which is extrapolated; 23 hours more of their sound in training would measure it"
    )


def test_a_threshold_survives_its_dictionary() -> None:
    threshold = Threshold(1.25, "1/day", 0.001, 30, extrapolated=True)
    assert read_section(Threshold, asdict(threshold), "threshold") == threshold


@pytest.mark.parametrize(
    "damage",
    [
        {"value": float("nan")},
        {"value": "high"},
        {"value": None},
        {"hysteresis": float("inf")},
        {"alarm_windows": 0},
    ],
)
def test_a_damaged_threshold_is_an_artifact_error(damage: dict[str, object]) -> None:
    values = asdict(Threshold(1.25, "1/day", 0.001, 30, extrapolated=True))
    with pytest.raises(ArtifactError, match="threshold is damaged"):
        read_section(Threshold, {**values, **damage}, "threshold")


@pytest.mark.parametrize(("n", "factor"), [(60, 2.5), (224, 1.5), (1000, 1.5)])
def test_the_fitted_tail_meets_a_rare_budget_on_exponential_scores(n: int, factor: float) -> None:
    """Median over 400 seeded samples of the rate realised for 1 in 8640; few scores cannot do
    better."""
    rng = np.random.default_rng(0)
    limits = [quantile_with_tail(np.sort(rng.exponential(size=n)), 1 / 8640) for _ in range(400)]
    assert 1 / factor < np.exp(-np.median(limits)) * 8640 < factor


def evenly_spread_reference(n: int) -> Reference:
    """Scores from 0 to 10, evenly spread; the fleet's own leave-one-out score is 1."""
    scores = np.linspace(0, 10, n)
    return Reference(5, np.stack([scores] * 3, axis=1), np.ones(3))


def test_a_calm_machine_counts_as_no_calmer_than_the_calmest_tenth(simulated_fleet: Fleet) -> None:
    """The median of the reference is 5 and its calmest tenth is 1, so at most 4 is taken off."""
    head = Head.calibrated(simulated_fleet, correlated_machines(1, 5, seed=5)[0])
    values = [
        fit_threshold(
            [evenly_spread_reference(101)],
            head,
            "50%",
            WINDOW,
            windows=5,
            leave_one_out=np.full(3, leave_one_out),
        ).value
        for leave_one_out in (3.0, 1.0, -2.0, -100.0)
    ]
    assert values == pytest.approx([7.0, 5.0, 2.0, 1.0])


@pytest.mark.parametrize(("budget", "extrapolated"), [("1.1%", False), ("0.9%", True)])
def test_a_budget_is_extrapolated_from_less_than_one_window_of_the_reference_on(
    simulated_fleet: Fleet, budget: str, extrapolated: bool
) -> None:
    head = Head.calibrated(simulated_fleet, correlated_machines(1, 5, seed=5)[0])
    threshold = fit_threshold([evenly_spread_reference(100)], head, budget, WINDOW, windows=5)
    assert threshold.extrapolated is extrapolated


SIZES = (0, 1, 2, 3, 4, 5, 10, 20, 50)


def shifted_reference(windows: int, shift: float) -> Reference:
    """Scores from ``shift`` to ``shift`` + 10, evenly spread."""
    scores = np.linspace(0, 10, 101) + shift
    left_out = np.full(3, shift if windows >= 3 else 0.0)
    return Reference(windows, np.stack([scores] * 3, axis=1), left_out)


@given(
    shifts=st.lists(st.floats(-3, 3), min_size=len(SIZES), max_size=len(SIZES)),
    leave_one_out=st.none() | st.floats(-5, 20),
    budget=st.sampled_from(["50%", "5%", "1/hour", "1/day"]),
    windows=st.integers(5, 60),
)
def test_one_more_window_moves_the_threshold_by_no_more_than_the_references_around_it_differ(
    simulated_fleet: Fleet,
    shifts: list[float],
    leave_one_out: float | None,
    budget: str,
    windows: int,
) -> None:
    head = Head.calibrated(simulated_fleet, correlated_machines(1, 5, seed=5)[0])
    references = [shifted_reference(*each) for each in zip(SIZES, shifts, strict=True)]
    mean_score = None if leave_one_out is None else np.full(3, leave_one_out)

    def value(n: int) -> float:
        threshold = fit_threshold(
            references, head, budget, WINDOW, windows=n, leave_one_out=mean_score
        )
        return threshold.value

    below = max(size for size in SIZES if size <= windows)
    above = min((size for size in SIZES if size > windows), default=below)
    trend = 0.0
    if above > below:
        share = np.log((windows + 1) / windows) / np.log(above / below)
        # The score, the leave-one-out score and its limit differ by as much as the shifts do.
        trend = share * 3 * abs(value_of(shifts, above) - value_of(shifts, below))
    assert abs(value(windows + 1) - value(windows)) <= trend + 1e-5


def value_of(shifts: list[float], size: int) -> float:
    return shifts[SIZES.index(size)]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [(0, [0]), (1, [1]), (5, [5]), (7, [5, 10]), (10, [10]), (50, [50]), (999, [50])],
)
def test_the_references_next_to_a_number_of_windows(windows: int, expected: list[int]) -> None:
    references = [shifted_reference(size, 0.0) for size in SIZES]
    assert [each.windows for each in neighbours(references, windows)] == expected


def test_below_three_windows_nothing_is_interpolated() -> None:
    references = [shifted_reference(size, 0.0) for size in (0, 2, 10)]
    assert [each.windows for each in neighbours(references, 2)] == [2]
    assert [each.windows for each in neighbours([references[0], references[2]], 5)] == [0]


def test_a_statistic_is_linear_in_the_logarithm_of_the_number_of_windows() -> None:
    references = [shifted_reference(5, 1.0), shifted_reference(20, 3.0)]

    def median(reference: Reference) -> float:
        return float(np.median(reference.parts))

    found = [interpolated(references, n, median) for n in (5, 10, 20)]
    assert found == pytest.approx([6.0, 7.0, 8.0])


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), share=st.floats(0.0, 1.0))
def test_a_quantile_is_that_of_numpy(values: list[float], share: float) -> None:
    expected = np.quantile(values, share)
    assert quantile(np.array(values), share) == pytest.approx(expected, rel=1e-9, abs=1e-6)
