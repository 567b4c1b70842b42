"""Is the sound consistent? Windows that differ from the others of the same calibration.

Each window is scored around the mean of the others. One with a high score was a door, a voice, or
the machine before it was switched on. How high windows of healthy machines score is known from the
references of the artifact (`edgeae.runtime.scoring.threshold`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import (
    LEFT_OUT_FOLDS,
    Reference,
    fit_threshold,
    interpolated,
)
from edgeae.runtime.system.arrays import Float64

from .recording import CalibrationRecording, name_recordings, name_windows

REFUSED_SHARE = 0.01  # of healthy calibrations have a window that differs so much from the others
REFUSED_BY_FLEET_SHARE = 0.001  # ... by the scores of the fleet's windows
MAX_UNEXPLAINED_SHARE = 0.5  # of the squared deviations, by a change at one point
ADVICE = "record again while the machine runs evenly"


def find_outlier_windows(
    detector: Detector, recordings: Sequence[CalibrationRecording], windows: Float64
) -> str | None:
    """A message that names the seconds or recordings that differ from the others, or None.

    windows: (n, n_features) of all ``recordings``, without overlap.
    """
    if len(windows) < 2 or not detector.head.method.is_calibratable:
        return None
    calibrated = Head.calibrated(detector.head.fleet, windows, detector.head.kind)
    # The machine's own covariance would include an outlier, and so hide it.
    head = replace(calibrated, machine_weight=0.0)
    left_out_scores = _leave_one_out_scores(head, windows)
    limit = _score_limit(detector, head, windows)
    if left_out_scores.max() <= limit:
        return None
    # Around the median, which a few outliers do not move, only they score high.
    scores = head.score(head.mean + windows - np.median(windows, axis=0))
    if not (scores > limit).any():
        scores = left_out_scores
    outliers = scores > limit
    usual = f"up to {limit:.1f} is usual"
    if outliers.mean() > 0.5:
        scored = f"(windows score up to {left_out_scores.max():.1f} against each other, {usual})"
        n_before = _change_point(windows / head.fleet.within_std)
        if n_before:
            before = name_windows(detector, recordings, np.arange(len(windows)) < n_before)
            return f"{before} differ from what follows {scored}; {ADVICE}"
        return f"{name_recordings(recordings)}: the sound is not consistent {scored}; {ADVICE}"
    verb = "differs" if outliers.sum() == 1 and len(recordings) > 1 else "differ"
    return (
        f"{name_windows(detector, recordings, outliers)} {verb} from the rest "
        f"(score {scores[outliers].max():.1f}, the others at most {scores[~outliers].max():.1f}, "
        f"{usual}); {ADVICE}"
    )


def _change_point(windows: Float64) -> int:
    """After how many windows (n, n_features) the sound is another; 0 if it has no such point.

    There the means of the two parts explain more of the squared deviations than anywhere else (the
    least squares of Bai, Econometric Theory 13, 1997); they have to explain most of them.
    """
    n_windows = len(windows)
    centred = windows - windows.mean(axis=0)
    total = float(np.square(centred).sum())
    n_before = np.arange(1, n_windows)
    sums_before = np.square(np.cumsum(centred, axis=0)[:-1]).sum(axis=1)
    # What the means of two parts explain: their sums are opposite.
    explained = sums_before * (1 / n_before + 1 / (n_windows - n_before))
    best = int(np.argmax(explained))
    return best + 1 if total - explained[best] < MAX_UNEXPLAINED_SHARE * total else 0


def _leave_one_out_scores(
    head: Head, windows: Float64, centre: Callable[..., Float64] = np.mean
) -> Float64:
    """(n,) the score of each window around the ``centre`` of the others; folds for many windows."""
    deviations = [
        windows[fold] - centre(np.delete(windows, fold, 0), axis=0) for fold in _folds(len(windows))
    ]
    return head.score(head.mean + np.concatenate(deviations))


def _folds(n: int) -> list[NDArray[np.intp]]:
    return [fold for fold in np.array_split(np.arange(n), LEFT_OUT_FOLDS) if len(fold)]


def _score_limit(detector: Detector, head: Head, windows: Float64) -> float:
    """The highest leave-one-out score that one of these windows (n, n_features) may have.

    By the references for as many windows as remain when a fold is left out.
    """
    n = len(windows)
    # A median resists outliers, a mean is less uncertain.
    median_scores = [
        float(np.median(_leave_one_out_scores(head, windows, centre)))
        for centre in (np.mean, np.median)
    ]

    def limit_by(reference: Reference) -> float:
        references = [replace(reference, windows=0)]

        def score_exceeded_by(share: float) -> float:
            budget = f"{share / n:.9%}"
            return fit_threshold(references, head, budget, detector.window, windows=0).value

        shift = min(median_scores) - float(np.median(reference.parts @ head.weights))
        own_limit = score_exceeded_by(REFUSED_SHARE) + shift
        return min(own_limit, score_exceeded_by(REFUSED_BY_FLEET_SHARE))

    n_others = n - len(_folds(n)[0])
    return interpolated(detector.references(head.kind), n_others, limit_by)
