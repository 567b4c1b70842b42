"""Areas under the ROC curve, and 95 % intervals of metrics.

Every interval is one of 95 %, for independent recordings of what the machine sounds like.
Recordings that are cut from one session resemble each other, so that the true uncertainty is
larger. In simulations the interval of an AUC contains the true value 91 to 95 times in 100, from
ten recordings of each label on. The pAUC depends on the highest tenth of the normal recordings
(``max_fpr``): its interval is too narrow (88 in 100 with 50 or 100 normal recordings, 95 with 200)
and is given from 50 on.
"""

from collections.abc import Iterable, Iterator
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.system.arrays import Float64
from edgeae.train.config import ScoringConfig

DEFAULT_MAX_FPR = ScoringConfig.max_fpr
N_RESAMPLES = 1000
RESAMPLES_PER_BLOCK = 100  # so many at a time stay in the cache of a processor
MIN_RECORDINGS = 5  # of a label, for an interval: resampling fewer says nothing
# False positive rates, or recalls, at which a curve is resampled.
CURVE_GRID = np.linspace(0, 1, 101)
MIN_INTERVAL_WIDTH = 1e-9  # below, the resampled values differ by rounding alone
CONFIDENCE = 0.95
TAILS = (0.025, 0.975)

Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]
Interval = tuple[float, float] | tuple[None, None]
NO_INTERVAL: Interval = (None, None)


def auc_of(
    scores: Iterable[float], labels: Iterable[str], max_fpr: float = DEFAULT_MAX_FPR
) -> tuple[float | None, float | None]:
    """AUC and standardised partial AUC up to a false positive rate of ``max_fpr``.

    None for recordings of one label only.
    """
    from sklearn.metrics import roc_auc_score

    truth = [label == "anomaly" for label in labels]
    if len(set(truth)) < 2:
        return None, None
    values = list(scores)
    auc = float(roc_auc_score(truth, values))
    pauc = float(roc_auc_score(truth, values, max_fpr=max_fpr))
    return auc, pauc


def has_enough_recordings(truth: Bools) -> bool:
    """True if each label has the recordings that an interval needs; truth: (n,)."""
    return min(int(np.sum(truth)), int(np.sum(~truth))) >= MIN_RECORDINGS


def resampled_areas(
    scores: Float64, truth: Bools, seed: Iterable[int], max_fpr: float = DEFAULT_MAX_FPR
) -> Float64 | None:
    """(N_RESAMPLES, k, 2) AUC and pAUC of k detectors on resampled tests: the stratified bootstrap.

    Normal and anomalous recordings are drawn separately with replacement, each as many as there
    are. All detectors get the same resamples. None where a label has fewer than ``MIN_RECORDINGS``
    recordings; the pAUC is NaN where the share ``max_fpr`` of the normal ones is fewer.

    scores: (n, k) of n recordings by k detectors
    truth: (n,) True for an anomaly
    max_fpr: highest false positive rate of the pAUC
    """
    if not has_enough_recordings(truth):
        return None
    blocks = [
        np.stack([areas(column, truth, counts, max_fpr) for column in scores.T], axis=1)
        for counts in resample_counts(truth, seed)
    ]
    resampled = np.concatenate(blocks)
    if max_fpr * np.sum(~truth) < MIN_RECORDINGS:
        resampled[:, :, 1] = np.nan
    return resampled


def resample_counts(truth: Bools, seed: Iterable[int]) -> Iterator[Counts]:
    """Blocks (RESAMPLES_PER_BLOCK, n): how often each resample contains each recording."""
    rng = np.random.default_rng(list(seed))
    for _ in range(N_RESAMPLES // RESAMPLES_PER_BLOCK):
        yield _draw(truth, rng)


def _draw(truth: Bools, rng: np.random.Generator) -> Counts:
    """(RESAMPLES_PER_BLOCK, n): how often each recording is drawn."""
    n_rows = RESAMPLES_PER_BLOCK
    counts = np.zeros((n_rows, len(truth)), np.int64)
    for members in (np.flatnonzero(~truth), np.flatnonzero(truth)):
        n = len(members)
        offsets = np.arange(n_rows)[:, None] * n  # so that one bincount counts all rows
        drawn = rng.integers(0, n, (n_rows, n)) + offsets
        counts[:, members] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(n_rows, n)
    return counts


def areas(
    scores: Float64, truth: Bools, counts: Counts, max_fpr: float = DEFAULT_MAX_FPR
) -> Float64:
    """(m, 2) AUC and pAUC of m tests in which recording i occurs ``counts[:, i]`` times.

    The one exception to the rule that an AUC is scikit-learn's: `roc_auc_score` takes minutes for a
    thousand resamples of a fleet, this takes seconds. A test holds it to `roc_auc_score` within
    1e-12.

    scores, truth: (n,)
    counts: (m, n)
    max_fpr: highest false positive rate of the pAUC
    """
    normal, anomalous = _shares_above(scores, truth, counts)
    # Standardised as by McClish (1989), Medical Decision Making 9: chance becomes .5, the best 1.
    by_chance = max_fpr**2 / 2
    partial = (_area(normal, anomalous, max_fpr) - by_chance) / (max_fpr - by_chance)
    return np.stack([_area(normal, anomalous, 1.0), (1 + partial) / 2], axis=1)


def _shares_above(scores: Float64, truth: Bools, counts: Counts) -> tuple[Float64, Float64]:
    """(m, k) shares of the normal and the anomalous recordings above each limit, highest first."""
    order = np.argsort(-scores, kind="stable")
    # Equal scores are one step of the curve.
    steps = np.flatnonzero(np.diff(scores[order], append=np.nan))

    def shares(label: bool) -> Float64:
        above = np.cumsum(counts[:, order] * (truth[order] == label), axis=1)
        return np.pad(above[:, steps] / above[:, -1:], ((0, 0), (1, 0)))

    return shares(False), shares(True)


def _area(false: Float64, true: Float64, limit: float) -> Float64:
    """(m,) area below the lines through (m, k) false and true positive rates, up to ``limit``."""
    width = np.diff(false)
    inside = np.diff(np.minimum(false, limit))
    share = np.divide(inside, width, out=np.zeros_like(width), where=width > 0)
    return np.asarray((inside * (true[:, :-1] + np.diff(true) * share / 2)).sum(axis=1))


def curves(scores: Float64, truth: Bools, counts: Counts) -> Float64:
    """(m, 2, n_grid) recall over false positive rate, and precision over recall.

    Both are given at the points of CURVE_GRID. The precision is that at the highest limit
    that reaches the recall, for the share of anomalies in this test. Parameters: see `areas`.
    """
    n_anomaly = np.sum(truth)
    n_normal = np.sum(~truth)
    result = []
    for false, true in zip(*_shares_above(scores, truth, counts), strict=True):
        recall = np.interp(CURVE_GRID, *_upper_points(false, true))
        lowest_recall = true[true > 0][0]
        first = np.searchsorted(true, np.maximum(CURVE_GRID, lowest_recall) - 1e-12)
        anomalous = true[first] * n_anomaly
        normal = false[first] * n_normal
        result.append([recall, anomalous / (anomalous + normal)])
    return np.array(result)


def _upper_points(false: Float64, true: Float64) -> tuple[Float64, Float64]:
    """The points of an ROC curve, of several at one false positive rate only the highest."""
    highest = np.flatnonzero(np.diff(false, append=np.inf))
    return false[highest], true[highest]


def resampled_curves(scores: Float64, truth: Bools, seed: Iterable[int]) -> Float64 | None:
    """(2, 2, n_grid): low and high ends of the intervals of `curves`, point by point.

    The resamples are those of `resampled_areas` with the same seed; None where it gives None.
    """
    if not has_enough_recordings(truth):
        return None
    blocks = [curves(scores, truth, counts) for counts in resample_counts(truth, seed)]
    return np.asarray(np.quantile(np.concatenate(blocks), TAILS, axis=0))


def interval(values: Float64) -> Interval:
    """The percentile interval of resampled values (n,); unknown where all are equal, or NaN.

    A test that separates every recording does so in every resample, which proves nothing about the
    next test.
    """
    low, high = (float(value) for value in np.quantile(values, TAILS))
    return (low, high) if high - low > MIN_INTERVAL_WIDTH else NO_INTERVAL


def share_interval(n_hits: int, n: int) -> Interval:
    """The interval of a share that ``n_hits`` of ``n`` recordings estimate (Wilson, 1927).

    Recommended for few recordings by Brown, Cai and DasGupta, Statistical Science 16 (2001),
    equation 4.
    """
    from scipy.stats import binomtest

    if not n:
        return NO_INTERVAL
    bounds = binomtest(n_hits, n).proportion_ci(CONFIDENCE, "wilson")
    return float(bounds.low), float(bounds.high)


def count_interval(n_events: float) -> tuple[float, float]:
    """The exact interval of the mean number of events of which ``n_events`` were counted.

    For a Poisson distribution (Garwood, Biometrika 28, 1936); a mean of several counts need not be
    a whole number.
    """
    from scipy.special import gammaincinv

    low = float(gammaincinv(n_events, TAILS[0])) if n_events else 0.0
    return low, float(gammaincinv(n_events + 1, TAILS[1]))


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if all are."""
    present = list(without_none(values))
    return fmean(present) if present else None


def without_none(values: Iterable[float | None]) -> Iterator[float]:
    """The values that are not None."""
    return (value for value in values if value is not None)
