"""How uncertain a calibration still is, and how one more minute of sound would change it."""

import math
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.model.sections import StabilitySection
from edgeae.runtime.scoring.calibration import threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import MIN_REFERENCE_WINDOWS, neighbours

MINUTE_SECONDS = 60.0
MIN_THRESHOLD_CHANGE = 0.05  # a smaller one is not reported


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of a calibration, now and with one more minute of sound."""

    mean_error: float  # standard error of the mean, in standard deviations of a window (RMS)
    mean_error_next: float  # the same with one more minute
    threshold_change: float | None  # by one more minute; None if the artifact cannot predict it

    def to_section(self) -> StabilitySection:
        """The uncertainty as it is stored in the artifact."""
        return StabilitySection(self.mean_error, self.mean_error_next, self.threshold_change)

    def sentence(self) -> str:
        """For the person at the microphone."""
        mean = (
            f"its mean sound is uncertain by {self.mean_error:.0%} of the variation between "
            f"windows; one more minute (--add) would make that {self.mean_error_next:.0%}"
        )
        if self.threshold_change is None:
            return f"{mean}; the artifact cannot predict how it would change the threshold"
        if abs(self.threshold_change) < MIN_THRESHOLD_CHANGE:
            return f"{mean} and hardly change the threshold"
        direction = "lower" if self.threshold_change < 0 else "raise"
        return f"{mean} and {direction} the threshold by about {abs(self.threshold_change):.2f}"


def uncertainty_of(
    detector: Detector, *, min_references: int = MIN_REFERENCE_WINDOWS
) -> Uncertainty:
    """The uncertainty of a calibrated detector.

    min_references: scores that the fleet needs for a prediction of the threshold.
    """
    head = detector.head
    n = head.windows
    n_next = n + max(1, round(MINUTE_SECONDS / detector.window))
    # The variation of one window is taken for that of the fleet's.
    variance = np.square(head.machine_factor).sum(axis=0).mean() if n > 1 else 1.0
    std = math.sqrt(variance)
    return Uncertainty(
        mean_error=round(std / math.sqrt(n), 3),
        mean_error_next=round(std / math.sqrt(n_next), 3),
        threshold_change=_threshold_change(detector, n, n_next, min_references),
    )


def _threshold_change(detector: Detector, n: int, n_next: int, min_references: int) -> float | None:
    """From ``n`` to ``n_next`` windows; None if the artifact holds too few scores for either."""
    if not detector.head.method.is_calibratable:
        return None
    references = detector.references(detector.head.kind)
    if max(reference.windows for reference in references) <= n:
        return None
    used = [*neighbours(references, n), *neighbours(references, n_next)]
    n_scores = min(len(reference.parts) for reference in used)
    if n_scores < min_references:
        return None
    budget = detector.threshold.false_alarms
    now = threshold_for(detector, budget, n).value
    later = threshold_for(detector, budget, n_next).value
    return round(later - now, 3)
