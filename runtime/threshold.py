"""The alarm threshold: a budget of false alarms, from normal sound alone.

A score that fits the training machines does not fit a new machine with a handful of calibration
windows: chi-square limits call everything anomalous. So the situation of the new machine is acted
out with the training machines. A block of windows of one of them is held out, the fleet is fitted
on the rest, a head is calibrated on n windows of the block and scores its others. These scores are
the **reference** for n calibration windows. The threshold of a new machine is

    quantile of the reference at 1 - p  +  (how far this machine's windows stray from each other
                                            - how far those of the fleet do, calibrated alike)

where the straying is the mean leave-one-out score of the calibration windows (from three on; one pair
cannot show it). A machine counts as no calmer than the calmest tenth of the reference: windows that
the fleet itself was fitted on seem calmer than any sound to come. Rare rates are read off an
exponential tail fitted to the upper tenth of the reference; that a rate is rarer than the reference
can show is said.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from .errors import ArtifactError, ConfigError
from .head import Fleet, Float64, Head, Kind

CALIBRATION_SIZES = (1, 2, 3, 4, 5, 10, 20, 50)  # windows for which a reference is kept
BLOCK = 12  # windows held out at once, at least
LEFT_OUT_FOLDS = 5
LEFT_OUT_BLOCKS = 8  # blocks of a machine whose leave-one-out score is computed
TAIL = 0.1  # share of the reference that the tail is fitted to
FEWEST_CALIBRATION, FEWEST_REFERENCE = 5, 30  # windows below which a threshold is little more than a guess
PERIODS = {"hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2629800.0}  # seconds


@dataclass(frozen=True)
class Reference:
    """Scores of normal windows of training machines that were calibrated on ``windows`` windows.

    In parts (`edgeae.runtime.head`), which the machine to be judged weighs as its own.
    """

    windows: int  # 0: not calibrated
    parts: Float64  # (n, n_parts)
    left_out: Float64  # (n_parts,) mean leave-one-out score of the calibration windows


@dataclass(frozen=True)
class Threshold:
    """What a score is compared with, and what stands behind it."""

    value: float  # natural logarithm, as the scores
    false_alarms: str  # the budget asked for
    probability: float  # of a normal window to exceed it
    reference_windows: int  # normal windows behind it
    extrapolated: bool  # the budget is rarer than the reference can show
    alarm_windows: int = 3  # an alarm needs this many ...
    of_windows: int = 5  # ... of the last so many above the threshold
    hysteresis: float = 0.1  # it ends below the threshold less this
    cooldown: float = 60.0  # seconds after its end without a new alarm

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        try:
            threshold = cls(**values)
            if not all(math.isfinite(v) for k, v in values.items() if k != "false_alarms"):
                raise ValueError("a value is not a finite number")
            return threshold
        except (TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(f"the threshold is damaged ({error}); export the artifact again") from error

    def support(self) -> str:
        """One sentence: what the normal sound of the training machines can promise."""
        n = self.reference_windows
        promise = f"{n} windows of the training machines can promise 1 false window in {n}"
        if not self.extrapolated:
            return f"{promise}; {self.false_alarms} is within that"
        rare = f"{self.false_alarms} is 1 in {round(1 / self.probability)}, extrapolated by a fitted tail"
        return f"{promise}; {rare}{' and little more than a guess' if n < FEWEST_REFERENCE else ''}"


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
    raise ConfigError(f"--false-alarms {false_alarms!r}: give a rate such as 1/hour, 1/day, 1/week, 2/month or 1%")


def left_out_parts(fleet: Fleet, windows: Float64, kind: Kind) -> Float64:
    """(n, n_parts): each of ``windows`` (n, size), two or more, scored by a head calibrated on the others."""
    folds = [fold for fold in np.array_split(np.arange(len(windows)), LEFT_OUT_FOLDS) if len(fold)]
    return np.concatenate(
        [Head.calibrated(fleet, np.delete(windows, fold, 0), kind).parts(windows[fold]) for fold in folds]
    )


def _blocks(machines: Sequence[Float64], gain: Float64, size: int) -> Iterator[tuple[Fleet, Float64]]:
    """Every block of ``size`` windows of one machine, with the fleet fitted on all the rest."""
    for m, windows in enumerate(machines):
        for start in range(0, len(windows) - size + 1, size):
            rest = [*machines[:m], np.delete(windows, np.s_[start : start + size], 0), *machines[m + 1 :]]
            if any(len(other) > 1 for other in rest):
                yield Fleet.fit(rest, gain), windows[start : start + size]


def _calibrated_reference(
    machines: Sequence[Float64], gain: Float64, n: int, size: int, kind: Kind
) -> Reference | None:
    parts, left_out = list[Float64](), list[Float64]()
    for fleet, block in _blocks(machines, gain, size):
        parts.append(Head.calibrated(fleet, block[:n], kind).parts(block[n:]))
        if n > 2 and len(left_out) < LEFT_OUT_BLOCKS * len(machines):
            left_out.append(left_out_parts(fleet, block[:n], kind).mean(axis=0))
    if not parts:
        return None
    found = np.concatenate(parts)
    return Reference(n, found, np.mean(left_out, axis=0) if left_out else np.zeros(found.shape[1]))


def _fleet_reference(machines: Sequence[Float64], gain: Float64, kind: Kind) -> Reference:
    """The windows of every machine, scored by a head that did not hear them."""
    parts = []
    for k in range(LEFT_OUT_FOLDS):
        held = [windows[k::LEFT_OUT_FOLDS] for windows in machines]
        rest = [np.delete(windows, np.s_[k::LEFT_OUT_FOLDS], 0) for windows in machines]
        rest = [windows for windows in rest if len(windows)]
        if any(len(windows) > 1 for windows in rest):
            parts.append(Head.of_fleet(Fleet.fit(rest, gain), rest, kind).parts(np.concatenate(held)))
    found = np.concatenate(parts)
    return Reference(0, found, np.zeros(found.shape[1]))


def fit_references(machines: Sequence[Float64], gain: Float64, kind: Kind) -> list[Reference]:
    """References for no calibration and for every size the training windows (n, size) of each machine allow.

    gain: (size,), see `Fleet.fit`. Raises ConfigError if no machine has three windows, the fewest that
    can act out anything.
    """
    longest = max(len(windows) for windows in machines)
    if longest < 3:
        raise ConfigError(
            f"the training set holds at most {longest} windows of one machine; a threshold needs 3, better 100 "
            f"(record longer, or choose a shorter --window)"
        )
    references = [_fleet_reference(machines, gain, kind)]
    for n in CALIBRATION_SIZES:
        size = max(BLOCK, 2 * n) if longest >= 2 * max(BLOCK, 2 * n) else max(2, longest // 2)
        found = _calibrated_reference(machines, gain, n, size, kind) if size > n else None
        references += [found] if found else []
    return references


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
    windows: Float64,
    false_alarms: str,
    window: float,
    straying: Float64 | None = None,
) -> Threshold:
    """The threshold of ``head`` calibrated on ``windows`` (n, size); n = 0 before calibration.

    window: seconds of sound in one window; straying: (n_parts,) mean leave-one-out score of
    ``head.windows`` windows that are no longer at hand, in the place of ``windows``.
    """
    probability = probability_of(false_alarms, window)
    heard = len(windows) if straying is None else head.windows
    reference = reference_for(references, heard)
    shift, weights = 0.0, head.weights
    scores = np.sort(reference.parts @ weights)
    if heard > 2 and reference.windows > 2:
        own = left_out_parts(head.fleet, windows, head.kind).mean(axis=0) if straying is None else straying
        calmest = float(np.quantile(scores, 0.1) - np.median(scores))
        shift = max(float((own - reference.left_out) @ weights), calmest)
    n = len(scores)
    value = _quantile(scores, probability) + shift
    return Threshold(round(value, 6), false_alarms, probability, n, probability * n < 1)


def reference_for(references: Sequence[Reference], windows: int) -> Reference:
    """The reference of the most calibration windows that are no more than ``windows``."""
    return max((r for r in references if r.windows <= windows), key=lambda r: r.windows)
