"""A slow tracker of normal: a machine changes harmlessly over weeks, its calibration does not.

    window -> mean of a minute -> 10 minutes' delay -> drift += (minute - drift) * (1 - exp(-seconds
    / days))
       |                              |                  |
       only complete windows          cleared by an      bounded distance from
       of sound that is "ok"          alarm or a window  the calibrated mean
                                      above the threshold

The **drift** is the difference of today's normal from the calibrated mean. It is subtracted from a
window before that is scored, which is the same as to score it around a moved mean. Artifact,
covariance and threshold stay as they were calibrated, and without the state file every score is as
before.

A fault that grows slowly looks like drift. The distance tells them apart, so the drift is bounded:
seen from the calibrated mean, it stays within a share of the radius of the threshold. Distances are
norms, so whatever was learned, a window is still an anomaly if it lies beyond 1 + share radii, that
is, if the calibrated score exceeds the threshold by 2 ln(1 + share); between the two, a slow fault
is detected later than without a tracker or not at all. (Exact where one view counts; where several
do, and their logarithms are averaged, a rule of thumb.)
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import ConfigError
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from ..system.arrays import Float64

DEFAULT_DAYS = 2.0  # of sound, the time constant
FULL_DRIFT = 0.995  # of the allowed distance; from here on it is reported as reached
DRIFTED = "normal has drifted as far as tracking allows: re-calibrate, or look at the machine"


@dataclass(frozen=True)
class DriftLimits:
    """How cautiously normal is tracked; seconds are seconds of sound."""

    minute_seconds: float = 60.0  # learned at once, as one mean
    delay_seconds: float = 600.0  # without an alarm or a high score, before a minute is learned
    max_share: float = 1 / 3  # of the threshold's radius that normal may drift
    status_seconds: float = 3600.0  # between two saves and status lines


DEFAULT_LIMITS = DriftLimits()


@dataclass(frozen=True)
class DriftStatus:
    """What a status line reports of the drift."""

    state: Literal["tracking", "drifted"]
    drift: float  # share of the allowed distance
    sentence: str | None = None

    def details(self) -> dict[str, float | str]:
        """What the status line has beside the state: the fields that have a value."""
        details: dict[str, float | str] = {"drift": self.drift}
        if self.sentence is not None:
            details["sentence"] = self.sentence
        return details


@dataclass(frozen=True)
class _Deviation:
    """The mean deviation of some sound from the calibrated mean."""

    seconds: float
    mean: Float64  # (n_features,)


class DriftTracker:
    """The drift of one machine: `update` learns it from windows, `compensate` subtracts it."""

    def __init__(
        self, detector: Detector, days: float = DEFAULT_DAYS, limits: DriftLimits = DEFAULT_LIMITS
    ) -> None:
        """days: of sound, the time constant. ConfigError unless the artifact is calibrated."""
        if detector.machine is None or not detector.head.method.is_distance:
            raise ConfigError(
                f"--track follows the mean sound of one machine: the artifact has to be "
                f"calibrated, with a head other than mse (machine: {detector.machine}, "
                f"head: {detector.head.kind}); run `edgeae calibrate`"
            )
        self.limits = limits
        self.drift: Float64 = np.zeros(len(detector.head.mean))  # (n_features,)
        self.learned_seconds = 0.0  # of sound
        self._detector = detector
        self._time_constant_seconds = days * 86400
        self._max_log_distance = detector.threshold.value + 2 * np.log(limits.max_share)
        self._delayed: deque[_Deviation] = deque()  # minutes that are not learned yet
        self._minute: list[_Deviation] = []  # the windows of the present minute

    def compensate(self, window: Window) -> Window:
        """``window`` as it would be if the machine had not drifted."""
        return replace(window, features=window.features - self.drift)

    @property
    def distance(self) -> float:
        """How far normal has drifted: 0 not at all, 1 as far as tracking allows."""
        return float(np.exp((self._log_distance(self.drift) - self._max_log_distance) / 2))

    def update(self, window: Window, result: Result, seconds: float, *, alarm: bool) -> None:
        """Learn from a window.

        window: before it is compensated.
        result: its score, compensated.
        seconds: of sound that are new in it.
        alarm: True while an alarm is on.
        """
        if alarm or result.anomaly:
            self._delayed.clear()
            self._minute.clear()
        elif window.is_full and result.health == "ok":
            deviation = window.features - self._detector.head.mean
            self._minute.append(_Deviation(seconds, deviation))
            if _total_seconds(self._minute) >= self.limits.minute_seconds:
                self._delay(_pooled(self._minute))
                self._minute.clear()

    def status(self) -> DriftStatus:
        """How far normal has drifted, and what to do if that is as far as tracking allows."""
        distance = round(self.distance, 3)
        if distance < FULL_DRIFT:
            return DriftStatus("tracking", distance)
        return DriftStatus("drifted", distance, DRIFTED)

    def set_drift(self, drift: Float64) -> None:
        """Set the drift (n_features,), shortened to the allowed distance."""
        excess = self._log_distance(drift) - self._max_log_distance
        self.drift = drift * np.exp(min(0.0, -excess) / 2)

    def _delay(self, minute: _Deviation) -> None:
        """Keep a minute, and learn those that are old enough."""
        self._delayed.append(minute)
        while True:
            after_the_oldest = _total_seconds(self._delayed) - self._delayed[0].seconds
            if after_the_oldest < self.limits.delay_seconds:
                return
            self._learn(self._delayed.popleft())

    def _learn(self, minute: _Deviation) -> None:
        step = -np.expm1(-minute.seconds / self._time_constant_seconds)
        self.set_drift(self.drift + (minute.mean - self.drift) * step)
        self.learned_seconds += minute.seconds

    def _log_distance(self, drift: Float64) -> float:
        """ln of the distance of a drift (n_features,) from the calibrated mean.

        The views are weighted as in the score. It is at least the score of a window there: the
        geometric mean is never above the arithmetic one.
        """
        head = self._detector.head
        return float(np.log(np.exp(head.parts(head.mean + drift)) @ head.weights))


def _total_seconds(deviations: Iterable[_Deviation]) -> float:
    return sum(deviation.seconds for deviation in deviations)


def _pooled(deviations: list[_Deviation]) -> _Deviation:
    """The mean of the deviations, weighted by their seconds."""
    seconds = _total_seconds(deviations)
    weighted = [deviation.seconds * deviation.mean for deviation in deviations]
    return _Deviation(seconds, np.sum(weighted, axis=0) / seconds)
