"""Figures of an evaluation: the vectorised areas are scikit-learn's, intervals hold what they
promise."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from edgeae.evaluate.results.metrics import (
    CURVE_GRID,
    MAX_FPR,
    N_RESAMPLES,
    NO_INTERVAL,
    areas,
    auc_of,
    count_interval,
    curves,
    interval,
    resampled_areas,
    resampled_curves,
    share_interval,
)


def _test(rng, normals, anomalies, distance=1.0, digits=9):
    """Scores of so many recordings, rounded so that some are equal, and which are anomalous."""
    truth = np.arange(normals + anomalies) >= normals
    return np.round(rng.standard_normal(len(truth)) + distance * truth, digits), truth


@pytest.mark.parametrize(
    ("normals", "anomalies", "digits"), [(1, 1, 9), (7, 5, 0), (30, 40, 1), (100, 264, 9)]
)
def test_areas_of_repeated_recordings_are_those_of_scikit_learn(normals, anomalies, digits):
    rng = np.random.default_rng(normals)
    scores, truth = _test(rng, normals, anomalies, digits=digits)
    counts = rng.integers(0, 3, (20, len(truth))) + rng.integers(0, 2, (20, 1))
    counts[:, [0, -1]] += 1  # both labels are always there
    found = areas(scores, truth, counts)
    for row, times in zip(found, counts, strict=True):
        drawn = np.repeat(truth, times), np.repeat(scores, times)
        assert row == pytest.approx(
            [roc_auc_score(*drawn), roc_auc_score(*drawn, max_fpr=MAX_FPR)], abs=1e-12
        )


def test_the_interval_holds_the_value_and_narrows_with_more_recordings():
    widths = []
    for size in (50, 800):
        scores, truth = _test(np.random.default_rng(size), size, size)
        drawn = resampled_areas(scores[:, None], truth, [1])
        assert drawn.shape == (N_RESAMPLES, 1, 2)
        for k, value in enumerate(auc_of(scores, np.where(truth, "anomaly", "normal"))):
            low, high = interval(drawn[:, 0, k])
            assert low < value < high
            widths.append(high - low)
    assert widths[2] < widths[0] / 3 and widths[3] < widths[1] / 3


def test_the_interval_holds_the_truth_about_95_times_of_100():
    true, held, rng = 0.5 * (1 + math.erf(0.5)), 0, np.random.default_rng(0)
    for trial in range(100):
        scores, truth = _test(rng, 40, 40)
        low, high = interval(resampled_areas(scores[:, None], truth, [trial])[:, 0, 0])
        held += low <= true <= high
    assert 88 <= held <= 99


def test_detectors_share_their_resamples():
    """Two that rank alike differ in no resample, so the paired interval is narrower than those of
    each."""
    rng = np.random.default_rng(2)
    scores, truth = _test(rng, 60, 60)
    both = np.stack([scores, np.exp(scores), scores + 0.1 * rng.standard_normal(120)], axis=1)
    drawn = resampled_areas(both, truth, [3])
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    alone, paired = interval(drawn[:, 0, 0]), interval(drawn[:, 0, 0] - drawn[:, 2, 0])
    assert paired[1] - paired[0] < (alone[1] - alone[0]) / 2


def test_resamples_depend_on_the_seed_alone():
    scores, truth = _test(np.random.default_rng(4), 20, 20)
    first, again, other = (
        resampled_areas(scores[:, None], truth, seed)[:, :, 0] for seed in (b"a", b"a", b"b")
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def _counted(scores, truth):
    """Recall and precision at every limit, counted one by one; and the false positive rate."""
    for limit in np.unique(scores)[::-1]:
        above = scores >= limit
        found = (above & truth).sum()
        yield found / truth.sum(), found / above.sum(), (above & ~truth).sum() / (~truth).sum()


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_curves_are_those_of_counting(digits):
    scores, truth = _test(np.random.default_rng(8), 30, 50, digits=digits)
    recall_at, precision_at = curves(scores, truth, np.ones((1, 80), np.int64))[0]
    counted = list(_counted(scores, truth))
    for share, recall, precision in zip(CURVE_GRID, recall_at, precision_at, strict=True):
        assert precision == pytest.approx(
            next(p for r, p, _ in counted if r > 0 and r >= share - 1e-9)
        )
        reached = [r for r, _, false in counted if false <= share + 1e-9]
        assert (
            recall >= max(reached, default=0) - 1e-9
        )  # between two limits it is on the line through both
    assert np.trapezoid(recall_at, CURVE_GRID) == pytest.approx(
        roc_auc_score(truth, scores), abs=0.02
    )


def test_the_intervals_of_curves_hold_the_curves_and_come_from_the_resamples_of_the_areas():
    scores, truth = _test(np.random.default_rng(9), 40, 60)
    curve = curves(scores, truth, np.ones((1, 100), np.int64))[0]
    low, high = resampled_curves(scores, truth, b"id_00")
    assert ((low <= curve + 0.02) & (curve <= high + 0.02)).all()
    assert (high - low)[0, 5:50].min() > 0.02
    area = interval(resampled_areas(scores[:, None], truth, b"id_00")[:, 0, 0])
    assert (
        np.trapezoid(low[0], CURVE_GRID)
        < area[0]
        < area[1]
        < np.trapezoid(high[0], CURVE_GRID) + 0.01
    )
    again = resampled_curves(scores, truth, b"id_00")
    assert np.array_equal(again, (low, high))
    assert resampled_curves(scores[37:], truth[37:], b"id_00") is None  # three normal recordings


def test_too_few_recordings_have_no_interval():
    few, many = (_test(np.random.default_rng(5), normals, 20) for normals in (4, 20))
    assert resampled_areas(few[0][:, None], few[1], [0]) is None
    drawn = resampled_areas(many[0][:, None], many[1], [0])
    assert interval(drawn[:, 0, 0])[0] is not None
    assert interval(drawn[:, 0, 1]) == (None, None)  # two normal recordings are the highest tenth


def test_a_perfect_test_has_no_interval():
    scores, truth = _test(np.random.default_rng(6), 20, 20, distance=100)
    assert interval(resampled_areas(scores[:, None], truth, [0])[:, 0, 0]) == (None, None)


def test_wilson_interval_of_a_share():
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for counted, expected in published.items():
        assert share_interval(*counted) == pytest.approx(expected, abs=5e-5)
    assert share_interval(0, 0) == (None, None)


def test_poisson_interval_of_a_count():
    """The tails beyond the limits hold 2.5 % each; without an event the upper limit is -ln .025."""
    assert count_interval(0) == (0.0, pytest.approx(-math.log(0.025)))
    low, high = count_interval(4)
    below = [
        sum(math.exp(-rate) * rate**k / math.factorial(k) for k in range(n))
        for rate, n in ((high, 5), (low, 4))
    ]
    assert below == pytest.approx([0.025, 0.975])


def test_rounding_is_no_interval():
    assert interval(np.array([1.0, 1 - 1e-16, 1.0, 1 - 2e-16])) == NO_INTERVAL
    assert interval(np.array([0.9, 1.0])) != NO_INTERVAL
