"""A slow tracker of normal: a machine changes harmlessly over weeks, its calibration does not.

    window -> mean of a minute -> waits for 10 minutes -> drift += (minute - drift) * (1 - exp(-seconds / days))
       |                                 |                   |
       not if silent or partial          dropped by an       held within a distance
                                         alarm or a window   of the calibrated mean
                                         above the threshold

What is tracked is the **drift**, the difference of today's normal from the calibrated mean. It is taken
off a window before that is scored, which is to score it around a moved mean. Artifact, covariance and
threshold stay as they were calibrated, and without the state file everything is as it was.

A fault that grows slowly looks like a drift. What tells them apart is how far they go, so the drift is
bounded: seen from the calibrated mean, it stays within a share of the radius of the threshold. Distances
are norms, so whatever was learned, a window still is an anomaly when it lies beyond 1 + SHARE radii, that
is, when the calibrated score exceeds the threshold by 2 ln(1 + SHARE); between the two, a slow fault is
heard later than without a tracker or not at all. (Exact where one view counts; where both do, and their
logarithms are averaged, a rule of thumb.)
"""

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from ..system.arrays import Float64

DAYS = 2.0  # of sound, the time constant
MINUTE = 60.0  # seconds of sound that are learned at once
DELAY = 600.0  # seconds of sound without an alarm or a high score before a minute is learned
SHARE = 1 / 3  # of the threshold's radius that normal may drift
DRIFTED = "normal has drifted as far as tracking allows: re-calibrate, or look at the machine"


class Tracker:
    """The drift of one machine; `hear` learns it from windows, `level` takes it off them."""

    def __init__(self, detector: Detector, days: float = DAYS) -> None:
        if detector.machine is None or detector.head.kind == "mse":
            raise ConfigError(
                f"--track follows the mean sound of one machine: the artifact has to be calibrated, with a head "
                f"other than mse (machine: {detector.machine}, head: {detector.head.kind}); run `edgeae calibrate`"
            )
        self._detector, self._constant = detector, days * 86400
        self._bound = detector.threshold.value + 2 * np.log(SHARE)
        self.drift: Float64 = np.zeros(len(detector.head.mean))  # (size,), as the features
        self.learned = 0.0  # seconds of sound
        self._waiting: deque[tuple[float, Float64]] = (
            deque()
        )  # minutes: seconds, mean deviation from the calibration
        self._minute: list[tuple[float, Float64]] = []  # its windows

    def compensated(self, window: Window) -> Window:
        """``window`` as it would be had the machine not drifted."""
        return replace(window, features=window.features - self.drift)

    @property
    def distance(self) -> float:
        """How far normal has drifted: 0 not at all, 1 as far as tracking allows."""
        return float(np.exp((self._reach(self.drift) - self._bound) / 2))

    def hear(self, window: Window, result: Result, seconds: float, *, alarm: bool) -> None:
        """Learn from ``window``, which stands for so many new seconds of sound.

        result: its score, compensated. alarm: one is on.
        """
        if alarm or result.anomaly:
            self._waiting.clear()
            self._minute.clear()
        elif window.full and result.health == "ok":
            self._minute.append((seconds, window.features - self._detector.head.mean))
            if sum(heard for heard, _ in self._minute) >= MINUTE:
                self._wait(*_mean(self._minute))
                self._minute.clear()

    def status(self) -> dict[str, Any]:
        """What a status line says of the drift."""
        distance = round(self.distance, 3)
        if distance < 0.995:
            return {"state": "tracking", "drift": distance}
        return {"state": "drifted", "drift": distance, "sentence": DRIFTED}

    def move(self, drift: Float64) -> None:
        """Set the drift (size,), as far as it is allowed."""
        self.drift = drift * np.exp(min(0.0, self._bound - self._reach(drift)) / 2)

    def _wait(self, seconds: float, deviation: Float64) -> None:
        self._waiting.append((seconds, deviation))
        while sum(heard for heard, _ in self._waiting) - self._waiting[0][0] >= DELAY:
            self._learn(*self._waiting.popleft())

    def _learn(self, seconds: float, deviation: Float64) -> None:
        self.move(self.drift + (deviation - self.drift) * -np.expm1(-seconds / self._constant))
        self.learned += seconds

    def _reach(self, drift: Float64) -> float:
        """ln of the distance of a drift (size,) from the calibrated mean, both views as they weigh in the score.

        At least the score of a window there: the geometric mean is never above the arithmetic one.
        """
        head = self._detector.head
        return float(np.log(np.exp(head.parts(head.mean + drift)) @ head.weights))


def _mean(windows: list[tuple[float, Float64]]) -> tuple[float, Float64]:
    seconds = sum(heard for heard, _ in windows)
    return seconds, np.sum([heard * deviation for heard, deviation in windows], axis=0) / seconds
