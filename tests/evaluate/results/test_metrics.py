"""The vectorised areas are scikit-learn's, and intervals hold what they promise."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from scipy.stats import poisson
from sklearn.metrics import roc_auc_score

from edgeae.evaluate.results.metrics import (
    CURVE_GRID,
    N_RESAMPLES,
    NO_INTERVAL,
    Bools,
    areas,
    auc_of,
    count_interval,
    curves,
    interval,
    mean,
    resample_counts,
    resampled_areas,
    resampled_curves,
    share_interval,
    without_none,
)
from edgeae.runtime.system.arrays import Float64


def _test(
    rng: np.random.Generator,
    normals: int,
    anomalies: int,
    distance: float = 1.0,
    digits: int = 9,
) -> tuple[Float64, Bools]:
    """Scores of so many recordings, rounded so that some are equal, and which are anomalous."""
    truth = np.arange(normals + anomalies) >= normals
    scores: Float64 = rng.standard_normal(len(truth)) + distance * truth
    return scores.round(digits), truth


def _resampled_areas(scores: Float64, truth: Bools, seed: Iterable[int]) -> Float64:
    """Of a test with enough recordings."""
    resampled = resampled_areas(scores, truth, seed)
    assert resampled is not None
    return resampled


def _resampled_curves(scores: Float64, truth: Bools, seed: Iterable[int]) -> Float64:
    resampled = resampled_curves(scores, truth, seed)
    assert resampled is not None
    return resampled


def _interval(values: Float64) -> tuple[float, float]:
    low, high = interval(values)
    assert low is not None and high is not None
    return low, high


@pytest.mark.parametrize(
    ("normals", "anomalies", "digits", "max_fpr"),
    [(1, 1, 9, 0.1), (7, 5, 0, 0.1), (30, 40, 1, 0.2), (100, 264, 9, 0.1), (30, 40, 9, 1.0)],
)
def test_areas_of_repeated_recordings_are_those_of_scikit_learn(
    normals: int, anomalies: int, digits: int, max_fpr: float
) -> None:
    rng = np.random.default_rng(normals)
    scores, truth = _test(rng, normals, anomalies, digits=digits)
    counts = rng.integers(0, 3, (20, len(truth))) + rng.integers(0, 2, (20, 1))
    counts[:, [0, -1]] += 1  # both labels are always there
    for row, times in zip(areas(scores, truth, counts, max_fpr), counts, strict=True):
        drawn = np.repeat(truth, times), np.repeat(scores, times)
        assert row == pytest.approx(
            [roc_auc_score(*drawn), roc_auc_score(*drawn, max_fpr=max_fpr)], abs=1e-12
        )


def test_the_partial_area_is_that_of_dcase() -> None:
    """Up to a false positive rate of 0.1."""
    scores, truth = _test(np.random.default_rng(1), 50, 50)
    labels = np.where(truth, "anomaly", "normal")
    expected = roc_auc_score(truth, scores), roc_auc_score(truth, scores, max_fpr=0.1)
    assert auc_of(scores, labels) == expected
    once = np.ones((1, len(truth)), np.int64)
    assert areas(scores, truth, once)[0] == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_the_partial_area_belongs_to_its_max_fpr() -> None:
    scores, truth = _test(np.random.default_rng(2), 60, 60)
    labels = np.where(truth, "anomaly", "normal")
    for max_fpr in (0.1, 0.2):
        resampled = resampled_areas(scores[:, None], truth, [0], max_fpr)
        assert resampled is not None
        low, high = _interval(resampled[:, 0, 1])
        _, pauc = auc_of(scores, labels, max_fpr)
        assert pauc is not None and low < pauc < high
        assert resampled[:, 0, 1].mean() == pytest.approx(pauc, abs=0.02)
    few = resampled_areas(scores[30:, None], truth[30:], [0], 0.2)
    assert few is not None and not np.isnan(few).any()  # 30 normal recordings: 6 of them count


def test_one_label_has_no_area() -> None:
    assert auc_of([1.0, 2.0], ["normal", "normal"]) == (None, None)
    assert auc_of([1.0, 2.0], ["anomaly", "anomaly"]) == (None, None)


def test_each_resample_keeps_the_number_of_recordings_of_each_label() -> None:
    """Whole recordings are drawn with replacement, normal and anomalous ones separately."""
    truth = np.arange(17) >= 6
    counts = np.concatenate(list(resample_counts(truth, [0])))
    assert counts.shape == (N_RESAMPLES, 17)
    assert (counts[:, ~truth].sum(axis=1) == 6).all()
    assert (counts[:, truth].sum(axis=1) == 11).all()
    assert counts.max() > 1 and counts.min() == 0
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.15)


def test_resamples_vary_as_much_as_the_bootstrap_should() -> None:
    """With replacement, the count of a recording has the variance 1 - 1/n."""
    counts = np.concatenate(list(resample_counts(np.arange(20) >= 10, [0])))
    assert counts.var(axis=0).mean() == pytest.approx(0.9, abs=0.03)


def test_the_interval_holds_the_value_and_narrows_with_more_recordings() -> None:
    widths = []
    for size in (50, 800):
        scores, truth = _test(np.random.default_rng(size), size, size)
        drawn = _resampled_areas(scores[:, None], truth, [1])
        assert drawn.shape == (N_RESAMPLES, 1, 2)
        values = without_none(auc_of(scores, np.where(truth, "anomaly", "normal")))
        for k, value in enumerate(values):
            low, high = _interval(drawn[:, 0, k])
            assert low < value < high
            widths.append(high - low)
    assert widths[2] < widths[0] / 3 and widths[3] < widths[1] / 3


def test_the_interval_holds_the_truth_about_95_times_of_100() -> None:
    true_auc = 0.5 * (1 + math.erf(0.5))
    rng = np.random.default_rng(0)
    n_held = 0
    for trial in range(100):
        scores, truth = _test(rng, 40, 40)
        low, high = _interval(_resampled_areas(scores[:, None], truth, [trial])[:, 0, 0])
        n_held += low <= true_auc <= high
    assert 88 <= n_held <= 99


def test_detectors_share_their_resamples() -> None:
    """Two that rank alike differ in no resample: the paired interval is narrower than each."""
    rng = np.random.default_rng(2)
    scores, truth = _test(rng, 60, 60)
    both = np.stack([scores, np.exp(scores), scores + 0.1 * rng.standard_normal(120)], axis=1)
    drawn = _resampled_areas(both, truth, [3])
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    alone = _interval(drawn[:, 0, 0])
    paired = _interval(drawn[:, 0, 0] - drawn[:, 2, 0])
    assert paired[1] - paired[0] < (alone[1] - alone[0]) / 2


def test_resamples_depend_on_the_seed_alone() -> None:
    scores, truth = _test(np.random.default_rng(4), 20, 20)
    first, again, other = (
        _resampled_areas(scores[:, None], truth, seed)[:, :, 0] for seed in (b"a", b"a", b"b")
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def _counted(scores: Float64, truth: Bools) -> Iterator[tuple[float, float, float]]:
    """Recall, precision and false positive rate at every limit, counted one by one."""
    for limit in np.unique(scores)[::-1]:
        above = scores >= limit
        n_detected = (above & truth).sum()
        yield (
            n_detected / truth.sum(),
            n_detected / above.sum(),
            (above & ~truth).sum() / (~truth).sum(),
        )


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_curves_are_those_of_counting(digits: int) -> None:
    scores, truth = _test(np.random.default_rng(8), 30, 50, digits=digits)
    recall_at, precision_at = curves(scores, truth, np.ones((1, 80), np.int64))[0]
    counted = list(_counted(scores, truth))
    for share, recall, precision in zip(CURVE_GRID, recall_at, precision_at, strict=True):
        assert precision == pytest.approx(
            next(p for r, p, _ in counted if r > 0 and r >= share - 1e-9)
        )
        reached = [r for r, _, false in counted if false <= share + 1e-9]
        # Between two limits it is on the line through both.
        assert recall >= max(reached, default=0) - 1e-9
    area = np.trapezoid(recall_at, CURVE_GRID)
    assert area == pytest.approx(roc_auc_score(truth, scores), abs=0.02)


def test_the_intervals_of_curves_hold_the_curves_and_come_from_the_resamples_of_the_areas() -> None:
    scores, truth = _test(np.random.default_rng(9), 40, 60)
    curve = curves(scores, truth, np.ones((1, 100), np.int64))[0]
    low, high = _resampled_curves(scores, truth, b"id_00")
    assert ((low <= curve + 0.02) & (curve <= high + 0.02)).all()
    assert (high - low)[0, 5:50].min() > 0.02
    area = _interval(_resampled_areas(scores[:, None], truth, b"id_00")[:, 0, 0])
    low_area, high_area = (float(np.trapezoid(line[0], CURVE_GRID)) for line in (low, high))
    assert low_area < area[0] < area[1] < high_area + 0.01
    assert np.array_equal(_resampled_curves(scores, truth, b"id_00"), (low, high))
    assert resampled_curves(scores[37:], truth[37:], b"id_00") is None  # three normal recordings


def test_too_few_recordings_have_no_interval() -> None:
    few, many = (_test(np.random.default_rng(5), normals, 20) for normals in (4, 20))
    assert resampled_areas(few[0][:, None], few[1], [0]) is None
    drawn = _resampled_areas(many[0][:, None], many[1], [0])
    assert interval(drawn[:, 0, 0])[0] is not None
    assert interval(drawn[:, 0, 1]) == (None, None)  # two normal recordings are the highest tenth


@pytest.mark.parametrize(("normals", "known"), [(49, False), (50, True)])
def test_the_partial_area_has_an_interval_from_50_normal_recordings_on(
    normals: int, known: bool
) -> None:
    scores, truth = _test(np.random.default_rng(5), normals, 20)
    drawn = _resampled_areas(scores[:, None], truth, [0])
    assert (interval(drawn[:, 0, 1]) != NO_INTERVAL) == known


def test_a_perfect_test_has_no_interval() -> None:
    scores, truth = _test(np.random.default_rng(6), 20, 20, distance=100)
    drawn = _resampled_areas(scores[:, None], truth, [0])
    assert interval(drawn[:, 0, 0]) == (None, None)


def test_wilson_interval_of_a_share() -> None:
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


def test_poisson_interval_of_a_count() -> None:
    """The tails beyond the limits hold 2.5 % each; without an event the upper limit is -ln .025."""
    assert count_interval(0) == pytest.approx((0.0, -math.log(0.025)))
    low, high = count_interval(4)
    assert [poisson.cdf(4, high), poisson.cdf(3, low)] == pytest.approx([0.025, 0.975])


def test_rounding_is_no_interval() -> None:
    assert interval(np.array([1.0, 1 - 1e-16, 1.0, 1 - 2e-16])) == NO_INTERVAL
    assert interval(np.array([0.9, 1.0])) != NO_INTERVAL


def test_a_mean_leaves_out_what_is_unknown() -> None:
    assert mean([1.0, None, 2.0]) == 1.5
    assert mean([None]) is None
