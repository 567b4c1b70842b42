"""Does a minute of sound agree with itself?

Each window is scored around the mean of the others. One that sticks out was a door, a voice, or the
machine before it was switched on. How far windows of healthy machines stick out is known from the
references of the artifact (`edgeae.runtime.scoring.threshold`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.scoring.calibration import CALIBRATABLE
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import LEFT_OUT_FOLDS, fit_threshold, reference_for
from edgeae.runtime.system.arrays import Float64

from .recording import CalibrationRecording, names, places

REFUSED = 0.01  # share of healthy calibrations with a window that sticks out so far from the machine's others
REFUSED_BY_FLEET = 0.001  # ... from what windows of the fleet score
ADVICE = "record again while the machine runs evenly"


def unsteady(
    detector: Detector, sounds: Sequence[CalibrationRecording], windows: Float64
) -> str | None:
    """One sentence that names the seconds or the recordings that stick out, if some do.

    windows: (n, size) of all ``sounds``, side by side.
    """
    if len(windows) < 2 or detector.head.kind not in CALIBRATABLE:
        return None
    head = replace(
        Head.calibrated(detector.head.fleet, windows, detector.head.kind), machine_weight=0.0
    )
    left_out, limit = _left_out(head, windows), _highest(detector, head, windows)
    if left_out.max() <= limit:
        return None
    scores = head.score(
        head.mean + windows - np.median(windows, axis=0)
    )  # which few of them do not move
    out = scores > limit
    if not out.any():
        scores, out = left_out, left_out > limit
    usual = f"up to {limit:.1f} is usual"
    if out.mean() > 0.5:
        found = f"its windows score up to {left_out.max():.1f} against each other, {usual}"
        return f"{names(sounds)}: the sound does not agree with itself ({found}); {ADVICE}"
    verb = "differs" if out.sum() == 1 and len(sounds) > 1 else "differ"
    found = f"score {scores[out].max():.1f}, the others at most {scores[~out].max():.1f}, {usual}"
    return f"{places(detector, sounds, out)} {verb} from the rest ({found}); {ADVICE}"


def _left_out(head: Head, windows: Float64, centre: Callable[..., Float64] = np.mean) -> Float64:
    """(n,) the score of each window around the mean, or the median, of the others.

    The covariance has to be the fleet's: the machine's own would take in what sticks out twice.
    """
    folds = _folds(len(windows))
    apart = [windows[fold] - centre(np.delete(windows, fold, 0), axis=0) for fold in folds]
    return head.score(head.mean + np.concatenate(apart))


def _folds(n: int) -> list[NDArray[np.intp]]:
    return [fold for fold in np.array_split(np.arange(n), LEFT_OUT_FOLDS) if len(fold)]


def _highest(detector: Detector, head: Head, windows: Float64) -> float:
    """The score that one of these windows (n, size) may reach, by the references for as many as were not left out."""
    n = len(windows)
    reference = reference_for(detector.references(head.kind), n - len(_folds(n)[0]))
    centred = (np.median(_left_out(head, windows, centre)) for centre in (np.mean, np.median))
    shift = float(
        min(centred) - np.median(reference.parts @ head.weights)
    )  # a median resists, a mean is surer
    alike = [replace(reference, windows=0)]

    def reached(refused: float) -> float:
        return fit_threshold(alike, head, f"{refused / n:.9%}", detector.window, windows=0).value

    return min(reached(REFUSED) + shift, reached(REFUSED_BY_FLEET))
