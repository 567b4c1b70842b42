"""From scores to alarms that can be trusted: k of n windows, hysteresis, a cool-down, the bands that moved."""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from .detector import Detector, Result, Window
from .mel import Float32, MelSpec, band_edges

UPDATE_SECONDS = 60.0  # between two updates of an alarm that lasts
MOVED = 3.0  # within-machine standard deviations from which a band has moved
MOST_BANDS = 3


@dataclass(frozen=True)
class Event:
    """The start, continuation or end of an alarm."""

    phase: Literal["start", "update", "end"]
    t: float  # seconds from the start of the source
    duration: float  # seconds since the alarm began
    peak: float  # highest score so far
    bands: list[dict[str, float]]  # low_hz, high_hz, change_db: louder or quieter than this machine's normal


class Alarm:
    """Turns the results of one source into events."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._rule = detector, detector.threshold
        self._above: deque[bool] = deque(maxlen=self._rule.of_windows)
        self._began: float | None = None
        self._ended = -np.inf
        self._told = 0.0
        self._peak = -np.inf

    @property
    def active(self) -> bool:
        return self._began is not None

    def update(self, result: Result) -> Event | None:
        """The event that ``result`` causes, if it causes one."""
        limit = self._rule.value - (self._rule.hysteresis if self.active else 0.0)
        self._above.append(result.score > limit)
        if self._began is None:
            return self._start(result)
        self._peak = max(self._peak, result.score)
        if len(self._above) == self._rule.of_windows and not any(self._above):
            return self._end(result)
        if result.t - self._told >= UPDATE_SECONDS:
            return self._event("update", result, self._began)
        return None

    def reset(self) -> None:
        """Forget the windows before a gap; an alarm that is on stays on."""
        self._above.clear()

    def _start(self, result: Result) -> Event | None:
        if sum(self._above) < self._rule.alarm_windows or result.t - self._ended < self._rule.cooldown:
            return None
        self._began, self._peak = result.t, result.score
        return self._event("start", result, result.t)

    def _end(self, result: Result) -> Event:
        began, self._began, self._ended = self._began, None, result.t
        return self._event("end", result, began or 0.0)

    def _event(self, phase: Literal["start", "update", "end"], result: Result, began: float) -> Event:
        self._told = result.t
        bands = moved_bands(self._detector, result.window)
        return Event(phase, result.t, round(result.t - began, 3), self._peak, bands)


def moved_bands(detector: Detector, window: Window) -> list[dict[str, float]]:
    """Up to three frequency ranges that differ most from this machine's normal, largest first.

    Neighbouring mel bands that moved the same way by over 3 within-machine standard deviations are one range.
    """
    n_mels, head = detector.spec.n_mels, detector.head
    bands = slice(1, 1 + n_mels)  # of the coordinates: the means of the input
    change = (window.coordinates - head.mean)[bands] * detector.band_std
    moved = (window.coordinates - head.mean)[bands] / head.fleet.deviation[bands]
    side = np.where(np.abs(moved) > MOVED, np.sign(moved), 0)
    borders = np.flatnonzero(np.diff(side, prepend=0, append=0))
    edges = band_edges(detector.spec)
    ranges = [
        (float(np.abs(moved[a:b]).sum()), edges[a], edges[b + 1], change[a:b]) for a, b in pairwise(borders) if side[a]
    ]
    ranges.sort(key=lambda found: -found[0])
    return [
        {"low_hz": round(float(low)), "high_hz": round(float(high)), "change_db": round(float(db.mean()), 1)}
        for _, low, high, db in ranges[:MOST_BANDS]
    ]


def explain_section(spec: MelSpec, std: Float32) -> dict[str, Any]:
    """The metadata section ``explain``: what a reader needs to name bands in Hz and changes in dB.

    std: (n_mels,) dB, by which the network standardises its input.
    """
    return {"band_edges_hz": band_edges(spec), "band_std_db": std}
