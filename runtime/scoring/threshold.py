"""The alarm threshold: a budget of false alarms, from normal sound alone.

A score that fits the training machines does not fit a new machine with a handful of calibration
windows: chi-square limits call everything anomalous. So the situation of the new machine is acted
out with the training machines:

    windows of one machine, in their order     |.....|calibr|..........|scored|.......|
                                                      ation

A block of its windows calibrates a head, a block from another time is scored by it, and the fleet is
fitted on everything else. Every block is scored once. The scores are the **reference** for so many
calibration windows, raised by what recordings that the network did not train on score above the others.
The threshold of a new machine is

    quantile of the reference at 1 - p  +  (how far this machine's windows stray from each other
                                            - how far those of the fleet do, calibrated alike)

where the leave_one_out is the mean leave-one-out score of the calibration windows (from three on; one pair
cannot show it). A machine counts as no calmer than the calmest tenth of the reference. Windows that the
fleet itself was fitted on seem calmer than any sound to come: they are recognised, and not asked.

A rate such as 1/day counts windows that do not overlap. That is what an alarm costs: where windows of
ten patches move on by one, 3 of 5 above the threshold come about once for each that is expected (1.0 to
1.3 in a simulation; .3 to .7 with six patches, 2.6 with twenty). Rare rates are read off an exponential
tail fitted to the upper tenth of the reference; that a rate is rarer than the reference can show is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np

from ..errors import ArtifactError, ConfigError
from ..model.artifact import Artifact
from ..model.sections import PositiveCount, read_section
from ..system.arrays import Float64
from ..system.schema import Between, MaxLength
from .fleet import Fleet
from .head import Head
from .heads import Kind

LEFT_OUT_FOLDS = 5
TAIL = 0.1  # share of the reference that the tail is fitted to
MIN_CALIBRATION_WINDOWS, MIN_REFERENCE_WINDOWS = (
    5,
    30,
)  # windows below which a threshold is little more than a guess
PERIODS = {"hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2629800.0}  # seconds


@dataclass(frozen=True)
class Reference:
    """Scores of normal windows of training machines that were calibrated on ``windows`` windows.

    In parts (`edgeae.runtime.scoring.head`), which the machine to be judged weighs as its own.
    """

    windows: int  # 0: not calibrated
    parts: Float64  # (n, n_parts)
    left_out: Float64  # (n_parts,) mean leave-one-out score of the calibration windows


@dataclass(frozen=True)
class Threshold:
    """What a score is compared with, and what stands behind it."""

    value: Annotated[float, Between(-1e6, 1e6)]  # natural logarithm, as the scores
    false_alarms: Annotated[str, MaxLength(40)]  # the requested budget
    probability: Annotated[float, Between(1e-300, 0.5)]  # that a normal window exceeds it
    reference_windows: PositiveCount  # normal windows behind it
    extrapolated: bool  # the budget is rarer than the reference can show
    alarm_windows: Annotated[int, Between(1, 1000)] = 3  # k: an alarm needs this many ...
    of_windows: Annotated[int, Between(1, 1000)] = 5  # n: ... of the last so many above it
    hysteresis: Annotated[float, Between(0, 1e6)] = 0.1  # it ends below the threshold less this
    cooldown: Annotated[float, Between(0, 1e9)] = 60.0  # seconds after its end without a new one
    window: Annotated[float, Between(0, 1e6)] = 0.0  # seconds of sound in a window

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """The threshold of an artifact; ArtifactError names the value that is impossible."""
        threshold = read_section(cls, artifact.sections["threshold"], "threshold")
        if threshold.alarm_windows > threshold.of_windows:
            raise ArtifactError(
                f"the threshold is damaged (an alarm needs {threshold.alarm_windows} of "
                f"{threshold.of_windows} windows); export the artifact again"
            )
        return threshold

    def support(self) -> str:
        """One sentence: what the normal sound of the training machines can promise."""
        n, rarest = self.reference_windows, 1 / self.probability
        known = f"the training machines show what 1 normal window in {n} does"
        if not self.extrapolated:
            return f"{known}, and {self.false_alarms} is 1 in {rarest:.0f}"
        hours = (rarest - n) * self.window / 3600
        guess = ", so little more than a guess" if n < MIN_REFERENCE_WINDOWS else ""
        more = (
            f"; {_duration(hours)} more of their sound in training would show it" if hours else ""
        )
        return f"{known}; {self.false_alarms} is 1 in {rarest:.0f}, read off a fitted tail{guess}{more}"


def _duration(hours: float) -> str:
    return f"{hours:.0f} hours" if hours >= 2 else f"{max(1, hours * 60):.0f} minutes"


def probability_of(false_alarms: str, window: float) -> float:
    """``1/day`` or ``5%`` as the probability that one window (of ``window`` seconds) of normal sound is above.

    Windows that overlap are not counted twice: a day holds 86400 / ``window`` of them.
    """
    number, mark, period = false_alarms.strip().partition("%" if "%" in false_alarms else "/")
    try:
        share = float(number) / 100 if mark == "%" else float(number) * window / PERIODS[period]
        if period * (mark == "%") == "" and 0 < share <= 0.5:
            return share
    except (ValueError, KeyError):
        pass
    raise ConfigError(
        f"--false-alarms {false_alarms!r}: give a rate such as 1/hour, 1/day, 1/week, 2/month or 1%"
    )


def leave_one_out_scores(fleet: Fleet, windows: Float64, kind: Kind) -> Float64:
    """(n, n_parts): each of ``windows`` (n, size), two or more, scored by a head calibrated on the others."""
    folds = [fold for fold in np.array_split(np.arange(len(windows)), LEFT_OUT_FOLDS) if len(fold)]
    return np.concatenate(
        [
            Head.calibrated(fleet, np.delete(windows, fold, 0), kind).parts(windows[fold])
            for fold in folds
        ]
    )


def _quantile(reference: Float64, probability: float) -> float:
    """The score that a normal window exceeds with ``probability``."""
    tail = max(2, round(TAIL * len(reference)))
    if probability * len(reference) >= tail / 2 or tail >= len(reference):
        return float(np.quantile(reference, 1 - probability))
    start = reference[-tail - 1]
    scale = max(float(np.mean(reference[-tail:] - start)), 1e-3)
    return float(start + scale * np.log(tail / len(reference) / probability))


def fit_threshold(
    references: Sequence[Reference],
    head: Head,
    false_alarms: str,
    window: float,
    *,
    windows: int,
    leave_one_out: Float64 | None = None,
) -> Threshold:
    """The threshold of ``head``, calibrated on so many ``windows``; 0 before calibration.

    window: seconds of sound in one window; leave_one_out: (n_parts,) mean leave-one-out score of the windows,
    None where they cannot tell it.
    """
    probability = probability_of(false_alarms, window)
    reference, weights = reference_for(references, windows), head.weights
    scores = np.sort(reference.parts @ weights)
    shift = 0.0
    if leave_one_out is not None and reference.windows > 2:
        calmest = float(np.quantile(scores, 0.1) - np.median(scores))
        shift = max(float((leave_one_out - reference.left_out) @ weights), calmest)
    n = len(scores)
    value = round(_quantile(scores, probability) + shift, 6)
    return Threshold(value, false_alarms, probability, n, probability * n < 1, window=window)


def reference_for(references: Sequence[Reference], windows: int) -> Reference:
    """The reference of the most calibration windows that are no more than ``windows``."""
    return max((r for r in references if r.windows <= windows), key=lambda r: r.windows)
