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

where the straying is the mean leave-one-out score of the calibration windows (from three on; one pair
cannot show it). A machine counts as no calmer than the calmest tenth of the reference. Windows that the
fleet itself was fitted on seem calmer than any sound to come: they are recognised, and not asked.

A rate such as 1/day counts windows that do not overlap. That is what an alarm costs: where windows of
ten patches move on by one, 3 of 5 above the threshold come about once for each that is expected (1.0 to
1.3 in a simulation; .3 to .7 with six patches, 2.6 with twenty). Rare rates are read off an exponential
tail fitted to the upper tenth of the reference; that a rate is rarer than the reference can show is said.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, ConfigError
from .head import Fleet, Float64, Head, Kind

CALIBRATION_SIZES = (1, 2, 3, 4, 5, 10, 20, 50)  # windows for which a reference is kept
BLOCK = 6  # windows in a row, at least, unless a machine has fewer than three blocks
MOST_BLOCKS = 20  # of a machine
LEFT_OUT_FOLDS = 5
LEFT_OUT_BLOCKS = 8  # blocks of a machine whose leave-one-out score is computed
TAIL = 0.1  # share of the reference that the tail is fitted to
FEWEST_CALIBRATION, FEWEST_REFERENCE = 5, 30  # windows below which a threshold is little more than a guess
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

    value: float  # natural logarithm, as the scores
    false_alarms: str  # the budget asked for
    probability: float  # of a normal window to exceed it
    reference_windows: int  # normal windows behind it
    extrapolated: bool  # the budget is rarer than the reference can show
    alarm_windows: int = 3  # an alarm needs this many ...
    of_windows: int = 5  # ... of the last so many above the threshold
    hysteresis: float = 0.1  # it ends below the threshold less this
    cooldown: float = 60.0  # seconds after its end without a new alarm
    window: float = 0.0  # seconds of sound in a window

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The threshold written by `to_dict`; ArtifactError names the value that is impossible."""
        try:
            threshold = cls(**values)
        except TypeError as error:
            raise ArtifactError(f"the threshold is damaged ({error}); export the artifact again") from error
        for name, (kind, low, high) in threshold._limits().items():
            value = getattr(threshold, name)
            number = len(value) if isinstance(value, str) else value
            right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
            if not (right and low <= number <= high):
                raise ArtifactError(f"the threshold is damaged ({name} is {value!r:.40}); export the artifact again")
        if threshold.alarm_windows > threshold.of_windows:
            told = f"{threshold.alarm_windows} of {threshold.of_windows} windows"
            raise ArtifactError(f"the threshold is damaged (an alarm needs {told}); export the artifact again")
        return threshold

    def _limits(self) -> dict[str, tuple[Any, float, float]]:
        """Type, least and greatest of each value; of a text, its length."""
        real = (int, float)
        return {
            "value": (real, -1e6, 1e6),
            "false_alarms": (str, 1, 40),
            "probability": (real, 1e-300, 0.5),
            "reference_windows": (int, 1, 1 << 40),
            "extrapolated": (bool, 0, 1),
            "of_windows": (int, 1, 1000),
            "alarm_windows": (int, 1, 1000),
            "hysteresis": (real, 0, 1e6),
            "cooldown": (real, 0, 1e9),
            "window": (real, 0, 1e6),
        }

    def support(self) -> str:
        """One sentence: what the normal sound of the training machines can promise."""
        n, rarest = self.reference_windows, 1 / self.probability
        known = f"the training machines show what 1 normal window in {n} does"
        if not self.extrapolated:
            return f"{known}, and {self.false_alarms} is 1 in {rarest:.0f}"
        hours = (rarest - n) * self.window / 3600
        guess = ", so little more than a guess" if n < FEWEST_REFERENCE else ""
        more = f"; {_duration(hours)} more of their sound in training would show it" if hours else ""
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
    raise ConfigError(f"--false-alarms {false_alarms!r}: give a rate such as 1/hour, 1/day, 1/week, 2/month or 1%")


def left_out_parts(fleet: Fleet, windows: Float64, kind: Kind) -> Float64:
    """(n, n_parts): each of ``windows`` (n, size), two or more, scored by a head calibrated on the others."""
    folds = [fold for fold in np.array_split(np.arange(len(windows)), LEFT_OUT_FOLDS) if len(fold)]
    return np.concatenate(
        [Head.calibrated(fleet, np.delete(windows, fold, 0), kind).parts(windows[fold]) for fold in folds]
    )


def _acts(machines: Sequence[Float64], gain: Float64, n: int) -> Iterator[tuple[int, Fleet, Float64, Float64]]:
    """Number, the fleet without two blocks of a machine, ``n`` windows of one of them, and all of the other.

    Half of the machine's sound lies between the two: what calibration hears is not of the same minute.
    """
    for m, windows in enumerate(machines):
        size = max(n, min(BLOCK, len(windows) // 3), math.ceil(len(windows) / MOST_BLOCKS))
        count = len(windows) // size
        for k in range(count if count > 1 else 0):
            near, far = (np.s_[i * size : (i + 1) * size] for i in (k, (k + count // 2) % count))
            rest = _others(machines, m, np.delete(windows, np.r_[near, far], 0))
            if rest:
                yield k, Fleet.fit(rest, gain), windows[near][:n], windows[far]


def _others(machines: Sequence[Float64], m: int, left: Float64) -> list[Float64]:
    """The fleet where only ``left`` (n, size) is left of machine ``m``; nothing if that is too little to be one."""
    rest = [windows for windows in [*machines[:m], left, *machines[m + 1 :]] if len(windows)]
    return rest if any(len(windows) > 1 for windows in rest) else []


def _calibrated_reference(machines: Sequence[Float64], gain: Float64, n: int, kind: Kind) -> Reference | None:
    parts, left_out = list[Float64](), list[Float64]()
    for k, fleet, calibration, others in _acts(machines, gain, n):
        parts.append(Head.calibrated(fleet, calibration, kind).parts(others))
        if n > 2 and k < LEFT_OUT_BLOCKS:
            left_out.append(left_out_parts(fleet, calibration, kind).mean(axis=0))
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


def fit_references(
    machines: Sequence[Float64], gain: Float64, kind: Kind, unheard: Sequence[NDArray[np.bool]] | None = None
) -> list[Reference]:
    """References for no calibration and for every size the training windows (n, size) of each machine allow.

    gain: (n, size), see `Fleet.fit`; unheard: (n,) of each machine, windows that the network was not
    fitted on. Raises ConfigError if no machine has three windows, the fewest that can act out anything.
    """
    longest = max(len(windows) for windows in machines)
    if longest < 3:
        raise ConfigError(
            f"the training set holds at most {longest} windows of one machine; a threshold needs 3, better 100 "
            f"(record longer, or choose a shorter --window)"
        )
    found = (_calibrated_reference(machines, gain, n, kind) for n in CALIBRATION_SIZES)
    references = [_fleet_reference(machines, gain, kind), *(reference for reference in found if reference)]
    new = _novelty(machines, unheard, references, gain, kind) if unheard else np.zeros(references[0].parts.shape[1])
    return [replace(reference, parts=reference.parts + new) for reference in references]


def _novelty(
    machines: Sequence[Float64],
    unheard: Sequence[NDArray[np.bool]],
    references: Sequence[Reference],
    gain: Float64,
    kind: Kind,
) -> Float64:
    """(n_parts,) by how much sound is further off for being new to the network, which knows its training by heart."""
    usual, found = reference_for(references, FEWEST_CALIBRATION), list[Float64]()
    for m, (windows, new) in enumerate(zip(machines, unheard, strict=True)):
        heard = windows[~new]
        if not new.any() or not len(heard) > usual.windows > 0:
            continue
        chosen = np.linspace(0, len(heard) - 1, usual.windows).astype(int)
        if rest := _others(machines, m, np.delete(heard, chosen, 0)):
            found.append(Head.calibrated(Fleet.fit(rest, gain), heard[chosen], kind).parts(windows[new]))
    if not found:
        return np.zeros(usual.parts.shape[1])
    higher = np.concatenate(found).mean(axis=0) - usual.parts.mean(axis=0)
    return np.asarray(np.maximum(higher, 0))


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
    straying: Float64 | None = None,
) -> Threshold:
    """The threshold of ``head``, calibrated on so many ``windows``; 0 before calibration.

    window: seconds of sound in one window; straying: (n_parts,) mean leave-one-out score of the windows,
    None where they cannot tell it.
    """
    probability = probability_of(false_alarms, window)
    reference, weights = reference_for(references, windows), head.weights
    scores = np.sort(reference.parts @ weights)
    shift = 0.0
    if straying is not None and reference.windows > 2:
        calmest = float(np.quantile(scores, 0.1) - np.median(scores))
        shift = max(float((straying - reference.left_out) @ weights), calmest)
    n = len(scores)
    value = round(_quantile(scores, probability) + shift, 6)
    return Threshold(value, false_alarms, probability, n, probability * n < 1, window=window)


def reference_for(references: Sequence[Reference], windows: int) -> Reference:
    """The reference of the most calibration windows that are no more than ``windows``."""
    return max((r for r in references if r.windows <= windows), key=lambda r: r.windows)
