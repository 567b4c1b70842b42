"""How well a machine is known by now, and what one more minute of its sound would bring."""

import math
from typing import Any

import numpy as np

from edgeae.runtime.scoring.calibration import CALIBRATABLE, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import FEWEST_REFERENCE, reference_for

MINUTE = 60.0  # seconds
LEAST_CHANGE = 0.05  # of a threshold that is worth a word


def stability(detector: Detector) -> dict[str, Any]:
    """Of a calibrated machine, in plain values:

    mean_error        standard error of its mean, in standard deviations of a window (root mean square)
    mean_error_next   the same with one more minute
    threshold_change  by how much one more minute would move the threshold; None where the artifact cannot tell
    """
    head = detector.head
    n, more = head.windows, max(1, round(MINUTE / detector.window))
    spread = (
        math.sqrt(np.square(head.machine_factor).sum(axis=0).mean()) if n > 1 else 1.0
    )  # one window varies as the fleet's
    return {
        "mean_error": round(spread / math.sqrt(n), 3),
        "mean_error_next": round(spread / math.sqrt(n + more), 3),
        "threshold_change": _change(detector, n, more),
    }


def _change(detector: Detector, n: int, more: int) -> float | None:
    """None where the artifact holds too few scores, or none of more windows than were heard."""
    if detector.head.kind not in CALIBRATABLE:
        return None
    references = detector.references(detector.head.kind)
    now, then = reference_for(references, n), reference_for(references, n + more)
    last = max(reference.windows for reference in references)
    if last <= n or min(len(now.parts), len(then.parts)) < FEWEST_REFERENCE:
        return None
    budget = detector.threshold.false_alarms
    return round(
        threshold_for(detector, budget, n + more).value - threshold_for(detector, budget, n).value,
        3,
    )


def words(detector: Detector) -> str:
    """The same as a sentence for the person who has the microphone."""
    found = detector.artifact.sections["head"]["stability"]
    now, then, change = found["mean_error"], found["mean_error_next"], found["threshold_change"]
    known = (
        f"its mean sound is uncertain by {now:.0%} of what it varies from window to window; "
        f"one more minute (--add) would make that {then:.0%}"
    )
    if change is None:
        return f"{known}; the artifact cannot tell what it would do to the threshold"
    if abs(change) < LEAST_CHANGE:
        return f"{known} and hardly move the threshold"
    return (
        f"{known} and {'lower' if change < 0 else 'raise'} the threshold by about {abs(change):.2f}"
    )
