"""Areas under the ROC curve, and how sure a figure is that rests on so many recordings.

Every interval is one of 95 %, of independent recordings of what the machine sounds like; recordings cut from
one session are alike, and say less than it claims. That of an AUC holds the truth of simulated scores 91 to 95
times in 100, from ten recordings of each label on. The pAUC rests on the highest tenth of the normal ones:
its interval is too narrow (88 in 100 with 50 or 100 normal recordings, 95 with 200) and given from 50 on.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.system.arrays import Float64

MAX_FPR = 0.1  # of the partial AUC, as in DCASE
RESAMPLES, BLOCK = 1000, 100  # drawn in blocks: a hundred fit into a processor's cache
GRID = np.linspace(
    0, 1, 101
)  # of false positive rates, or of recalls, at which a curve is resampled
ROUNDING = 1e-9  # by which figures differ that are equal
FEWEST = 5  # recordings that a figure rests on: drawing fewer again says nothing
TAILS = (0.025, 0.975)
DEVIATIONS = 1.959964  # of a normal distribution, that hold 95 % of it

Interval = tuple[float, float] | tuple[None, None]
UNKNOWN: Interval = (None, None)


def auc_of(scores: Iterable[float], labels: Iterable[str]) -> tuple[float | None, float | None]:
    """AUC and standardised partial AUC up to a false positive rate of 0.1; None for one label only."""
    from sklearn.metrics import roc_auc_score

    truth, values = [label == "anomaly" for label in labels], list(scores)
    if len(set(truth)) < 2:
        return None, None
    return float(roc_auc_score(truth, values)), float(roc_auc_score(truth, values, max_fpr=MAX_FPR))


def resampled_areas(
    scores: Float64, truth: NDArray[np.bool_], seed: Iterable[int]
) -> Float64 | None:
    """AUC and pAUC of ``RESAMPLES`` tests that might as well have been made, (RESAMPLES, k, 2).

    scores: (n, k) of n recordings by k detectors, all of which get the same resamples; truth: (n,), True
    for an anomaly. Normal and anomalous recordings are drawn separately, as many as there are (the stratified
    bootstrap). None where a label has fewer than ``FEWEST`` recordings; a pAUC is NaN where a tenth of the
    normal ones is fewer.
    """
    if min(np.sum(truth), np.sum(~truth)) < FEWEST:
        return None
    drawn = _resamples(truth, seed)
    found = np.concatenate(
        [np.stack([areas(s, truth, counts) for s in scores.T], axis=1) for counts in drawn]
    )
    if MAX_FPR * np.sum(~truth) < FEWEST:
        found[:, :, 1] = np.nan
    return found


def _resamples(truth: NDArray[np.bool_], seed: Iterable[int]) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(list(seed))
    return (_draw(truth, rng) for _ in range(RESAMPLES // BLOCK))


def _draw(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """(BLOCK, n): how often each recording is drawn."""
    counts = np.zeros((BLOCK, len(truth)), np.int64)
    for label in (np.flatnonzero(~truth), np.flatnonzero(truth)):
        drawn = rng.integers(0, len(label), (BLOCK, len(label))) + np.arange(BLOCK)[:, None] * len(
            label
        )
        counts[:, label] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return counts


def areas(scores: Float64, truth: NDArray[np.bool_], counts: NDArray[np.int64]) -> Float64:
    """(m, 2) AUC and pAUC of m tests in which recording i comes ``counts[:, i]`` times.

    scores, truth: (n,); counts: (m, n). Equal to ``roc_auc_score`` of scikit-learn, for all tests at once.
    """
    normal, anomalous = _above(scores, truth, counts)
    least, most = (
        MAX_FPR**2 / 2,
        MAX_FPR,
    )  # by chance and at best; McClish (1989) makes .5 and 1 of them
    partial = (_area(normal, anomalous, MAX_FPR) - least) / (most - least)
    return np.stack([_area(normal, anomalous, 1.0), (1 + partial) / 2], axis=1)


def _above(
    scores: Float64, truth: NDArray[np.bool_], counts: NDArray[np.int64]
) -> tuple[Float64, Float64]:
    """(m, k) shares of the normal and of the anomalous recordings above each limit, the highest limit first."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(
        np.diff(scores[order], append=np.nan)
    )  # equal scores are one step of the curve
    normal, anomalous = (
        np.pad(found[:, last] / found[:, -1:], ((0, 0), (1, 0)))
        for found in (
            np.cumsum(counts[:, order] * (truth[order] == label), axis=1) for label in (False, True)
        )
    )
    return normal, anomalous


def curves(scores: Float64, truth: NDArray[np.bool_], counts: NDArray[np.int64]) -> Float64:
    """(m, 2, len(GRID)): the recall at each false positive rate of GRID, and the precision at each recall.

    As `areas`. The precision is that of the highest limit which reaches the recall, at the test's own share of
    anomalies.
    """
    found = []
    for false, true in zip(*_above(scores, truth, counts), strict=True):
        first = np.searchsorted(true, np.maximum(GRID, true[true > 0][0]) - 1e-12)
        anomalous, normal = true[first] * np.sum(truth), false[first] * np.sum(~truth)
        found.append([np.interp(GRID, *_upper(false, true)), anomalous / (anomalous + normal)])
    return np.array(found)


def _upper(false: Float64, true: Float64) -> tuple[Float64, Float64]:
    """The points of an ROC curve without all but the highest of those above each other."""
    highest = np.flatnonzero(np.diff(false, append=np.inf))
    return false[highest], true[highest]


def resampled_curves(
    scores: Float64, truth: NDArray[np.bool_], seed: Iterable[int]
) -> Float64 | None:
    """(2, 2, len(GRID)): low and high ends of the intervals of `curves`, point by point.

    From the very resamples that `resampled_areas` draws with this seed; None where it gives none.
    """
    if min(np.sum(truth), np.sum(~truth)) < FEWEST:
        return None
    found = np.concatenate([curves(scores, truth, counts) for counts in _resamples(truth, seed)])
    return np.asarray(np.quantile(found, TAILS, axis=0))


def _area(false: Float64, true: Float64, limit: float) -> Float64:
    """(m,) area below the lines through (m, k) false and true positive rates, up to a false one of ``limit``."""
    width, inside = np.diff(false), np.diff(np.minimum(false, limit))
    share = np.divide(inside, width, out=np.zeros_like(width), where=width > 0)
    return np.asarray((inside * (true[:, :-1] + np.diff(true) * share / 2)).sum(axis=1))


def interval(values: Float64) -> Interval:
    """The percentile interval of resampled figures (n,); unknown where all are equal, or not numbers.

    A test that separates every recording does so in every resample, which proves nothing of the next one.
    """
    low, high = (float(value) for value in np.quantile(values, TAILS))
    return (low, high) if high - low > ROUNDING else UNKNOWN


def share_interval(found: int, n: int) -> Interval:
    """The interval of a share of which ``found`` of ``n`` recordings are an estimate.

    Wilson (1927); Brown, Cai and DasGupta (2001), equation 4.
    """
    if not n:
        return UNKNOWN
    square = DEVIATIONS**2
    middle, half = found + square / 2, DEVIATIONS * math.sqrt(found * (n - found) / n + square / 4)
    return max(0.0, (middle - half) / (n + square)), min(1.0, (middle + half) / (n + square))


def count_interval(found: int) -> tuple[float, float]:
    """The exact interval of the mean number of events where ``found`` were counted (Poisson; Garwood, 1936)."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(found, TAILS[0])) if found else 0.0
    return low, float(gammaincinv(found + 1, TAILS[1]))


def known(values: Iterable[float | None]) -> Iterator[float]:
    """The values that are there."""
    return (value for value in values if value is not None)
