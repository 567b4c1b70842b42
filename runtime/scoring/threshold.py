"""The alarm threshold: a budget of false alarms, from normal sound alone.

A score that fits the training machines does not fit a new machine with a few calibration windows:
by chi-square limits nearly all of its windows are anomalies. The situation of the new machine is
therefore simulated with the training machines (`edgeae.quantize.fit_fleet`):

    windows of one machine, in their order     |.....|calibr|..........|scored|.......|
                                                      ation

A block of its windows calibrates a head, a block from another time is scored by it, and the fleet
is fitted on everything else. Every block is scored once. The scores are the **reference** for this
number of calibration windows, raised by the difference between recordings that the network was not
trained on and the others. The threshold of a new machine is

    quantile of the reference at 1 - p  +  (mean leave-one-out score of its calibration windows
                                            - that of the simulated calibrations)

with at least three calibration windows; two windows cannot show a variation. The second term is
limited below: no machine counts as more uniform than the tenth of the reference with the lowest
scores. Windows that the fleet was fitted on score too low, so they are recognised and left out.
Only some numbers of calibration windows are simulated; between two of them the threshold is
interpolated linearly in the logarithm of the number, so it has no step where a reference begins.

A rate such as 1/day counts windows that do not overlap. That is what an alarm costs: where windows
of ten patches move on by one, 3 of 5 above the threshold occur about once for each that is expected
(1.0 to 1.3 in a simulation; .3 to .7 with six patches, 2.6 with twenty). Rare rates are read off an
exponential tail fitted to the upper tenth of the reference (the generalised Pareto distribution
with shape 0: Pickands, Annals of Statistics 3, 1975). The threshold states whether a rate is rarer
than the reference can show.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

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
TAIL_SHARE = 0.1  # of the reference, that the tail is fitted to
MAX_PROBABILITY = 0.5  # that a normal window is above the threshold
MIN_TAIL_SCALE = 1e-3  # natural logarithm
UNIFORM_QUANTILE = 0.1  # of the reference: the lowest that a machine's windows count as
# With fewer windows a threshold is little more than a guess.
MIN_CALIBRATION_WINDOWS = 5
MIN_REFERENCE_WINDOWS = 30
MIN_LEAVE_ONE_OUT_WINDOWS = 3  # of a calibration: of two, each is judged by one other alone
PERIOD_SECONDS = {"hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2629800.0}

Statistic = TypeVar("Statistic", float, Float64)


@dataclass(frozen=True)
class Reference:
    """Scores of normal windows of training machines that were calibrated on ``windows`` windows.

    The scores are in parts (`edgeae.runtime.scoring.heads`); a machine applies its own weights.
    """

    windows: int  # 0: not calibrated
    parts: Float64  # (n, n_parts)
    left_out: Float64  # (n_parts,) mean leave-one-out score of the calibration windows


@dataclass(frozen=True)
class Threshold:
    """What a score is compared with, and the data that it is based on."""

    value: Annotated[float, Between(-1e6, 1e6)]  # natural logarithm, as the scores
    false_alarms: Annotated[str, MaxLength(40)]  # the requested budget
    probability: Annotated[float, Between(1e-300, 0.5)]  # that a normal window exceeds it
    reference_windows: PositiveCount  # number of normal windows that it is based on
    extrapolated: bool  # the budget is rarer than the reference can show
    alarm_windows: Annotated[int, Between(1, 1000)] = 40  # k: an alarm needs this many ...
    of_windows: Annotated[int, Between(1, 1000)] = 45  # n: ... of the last so many above it
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
        """One sentence: how well the normal sound of the training machines supports it."""
        n = self.reference_windows
        basis = f"{n} normal windows of the training are known"
        budget = f"{self.false_alarms} allows 1 false alarm in {1 / self.probability:.0f} windows"
        if not self.extrapolated:
            return f"{basis}, and {budget}"
        guess = ", little more than a guess" if n < MIN_REFERENCE_WINDOWS else ""
        sentence = f"{basis}; {budget}, which is extrapolated{guess}"
        hours = (1 / self.probability - n) * self.window / 3600
        if not hours:
            return sentence
        return f"{sentence}; {_duration(hours)} more of their sound in training would measure it"


def _duration(hours: float) -> str:
    return f"{hours:.0f} hours" if hours >= 2 else f"{max(1, hours * 60):.0f} minutes"


def probability_of(false_alarms: str, window: float) -> float:
    """The budget as the probability that a window of normal sound is above the threshold.

    Windows that overlap are not counted twice: a day holds 86400 / ``window`` of them.

    false_alarms: a rate such as ``1/day`` or a share such as ``5%``.
    window: seconds of sound in a window.

    Raises ConfigError for any other budget, and for one of more than every second window.
    """
    try:
        probability = _parse_budget(false_alarms.strip(), window)
    except (ValueError, KeyError):
        probability = 0.0
    if not 0 < probability <= MAX_PROBABILITY:
        raise ConfigError(
            f"--false-alarms {false_alarms!r}: give a rate such as 1/hour, 1/day, 1/week, 2/month "
            f"or 1%"
        )
    return probability


def _parse_budget(text: str, window: float) -> float:
    """The probability; ValueError or KeyError for what is neither a rate nor a share."""
    if text.endswith("%"):
        return float(text.removesuffix("%")) / 100
    number, _, period = text.partition("/")
    return float(number) * window / PERIOD_SECONDS[period]


def leave_one_out_scores(fleet: Fleet, windows: Float64, kind: Kind) -> Float64:
    """(n, n_parts) of each window, scored by a head that is calibrated on the others.

    With more than five windows a fifth of them is left out at a time.

    windows: (n, n_features), at least two.
    """
    parts: list[Float64] = []
    for fold in np.array_split(np.arange(len(windows)), LEFT_OUT_FOLDS):
        if len(fold):
            head = Head.calibrated(fleet, np.delete(windows, fold, 0), kind)
            parts.append(head.parts(windows[fold]))
    return np.concatenate(parts)


def quantile(values: Float64, share: float) -> float:
    """The value of ``values`` (n,), n > 0, that ``share`` of them do not exceed, interpolated.

    As `numpy.quantile` computes it; that loads modules of 1.2 MB, which a process that listens
    would do in its fifth minute.
    """
    return float(np.interp(share * (len(values) - 1), np.arange(len(values)), np.sort(values)))


def quantile_with_tail(scores: Float64, probability: float) -> float:
    """The score that a normal window exceeds with ``probability``.

    A rare one is read off an exponential tail.

    scores: (n,) of normal windows, ascending.
    """
    n = len(scores)
    n_tail = max(2, round(TAIL_SHARE * n))
    if probability * n >= n_tail / 2 or n_tail >= n:
        return quantile(scores, 1 - probability)
    start = scores[-n_tail - 1]
    scale = max(float(np.mean(scores[-n_tail:] - start)), MIN_TAIL_SCALE)
    return float(start + scale * np.log(n_tail / n / probability))


def fit_threshold(
    references: Sequence[Reference],
    head: Head,
    false_alarms: str,
    window: float,
    *,
    windows: int,
    leave_one_out: Float64 | None = None,
) -> Threshold:
    """The threshold of ``head`` for the budget ``false_alarms``.

    window: seconds of sound in one window.
    windows: number of windows that the head is calibrated on; 0 before calibration.
    leave_one_out: (n_parts,) mean leave-one-out score of these windows; None where unknown.
    """
    probability = probability_of(false_alarms, window)
    shift: float | None = None
    if leave_one_out is not None:
        excess = leave_one_out - interpolated(references, windows, lambda each: each.left_out)
        shift = float(excess @ head.weights)

    def value_of(reference: Reference) -> float:
        scores = np.sort(reference.parts @ head.weights)
        value = quantile_with_tail(scores, probability)
        if shift is None or reference.windows < MIN_LEAVE_ONE_OUT_WINDOWS:
            return value
        min_shift = quantile(scores, UNIFORM_QUANTILE) - float(np.median(scores))
        return value + max(shift, min_shift)

    n_scores = min(len(each.parts) for each in neighbours(references, windows))
    return Threshold(
        value=round(interpolated(references, windows, value_of), 6),
        false_alarms=false_alarms,
        probability=probability,
        reference_windows=n_scores,
        extrapolated=probability * n_scores < 1,
        window=window,
    )


def reference_for(references: Sequence[Reference], windows: int) -> Reference:
    """The reference with the largest number of calibration windows that is at most ``windows``."""
    usable = [reference for reference in references if reference.windows <= windows]
    return max(usable, key=lambda reference: reference.windows)


def neighbours(references: Sequence[Reference], windows: int) -> list[Reference]:
    """The references next to ``windows`` calibration windows: below and above, or one of them.

    There is only one where ``windows`` has a reference of its own, above the largest, and below
    three windows, of which no leave-one-out score is known.
    """
    below = reference_for(references, windows)
    larger = [reference for reference in references if reference.windows > windows]
    if below.windows in (0, windows) or not larger:
        return [below]
    if below.windows < MIN_LEAVE_ONE_OUT_WINDOWS:
        return [below]
    return [below, min(larger, key=lambda reference: reference.windows)]


def interpolated(
    references: Sequence[Reference], windows: int, statistic: Callable[[Reference], Statistic]
) -> Statistic:
    """A statistic of the reference for ``windows`` calibration windows.

    Between two references it is linear in the logarithm of the number of windows, so that no step
    is where a reference begins.
    """
    below, *above = neighbours(references, windows)
    lower = statistic(below)
    if not above:
        return lower
    share = math.log(windows / below.windows) / math.log(above[0].windows / below.windows)
    return lower + share * (statistic(above[0]) - lower)
