"""When an alarm starts and ends.

    score   |        x     x  x                          | above the threshold
            |--------------------------------------------| threshold
            |           x        x  x                    | within the hysteresis
            |............................................| threshold - hysteresis
            |  x  x                    x  x  x  x  x     | below
    alarm                     [=======================]
                            start                    end

A window is above if its score exceeds the threshold; while an alarm is on, the threshold less the
hysteresis.

start   the window with which k of the last n windows are above, unless the last alarm ended less
        than the cool-down ago
update  each minute of an alarm
end     the window with which none of the last n windows is above

k, n, hysteresis and cool-down are values of the artifact
(`edgeae.runtime.scoring.threshold.Threshold`, by default 3 of 5 windows). Windows before a gap do
not count (`Alarm.reset`), and windows without sound are not passed on
(`edgeae.runtime.live.reporter`).
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..scoring.detector import Result
from ..scoring.explain import Explainer, Explanation, Moved
from ..scoring.threshold import Threshold

UPDATE_SECONDS = 60.0  # between two updates of an alarm

Phase = Literal["start", "update", "end"]
Cause = Literal["machine", "microphone"]


@dataclass(frozen=True)
class AlarmEvent:
    """The start, continuation or end of an alarm."""

    phase: Phase
    t: float  # seconds from the start of the source
    duration: float  # seconds since the alarm started
    peak: float  # highest score so far
    bands: list[Moved]  # the ranges of frequencies that changed, the largest first
    sentence: str  # the same for a mechanic
    cause: Cause = "machine"  # see `edgeae.runtime.monitoring.health`


class Alarm:
    """The alarm of one source: turns its results into events."""

    def __init__(self, rule: Threshold, explainer: Explainer) -> None:
        """rule: the threshold and when an alarm starts; explainer: names what changed."""
        self._rule = rule
        self._explainer = explainer
        self._above: deque[bool] = deque(maxlen=rule.of_windows)
        self._first_above = 0.0  # seconds, of the first window above the threshold
        self._started: float | None = None  # seconds; None while no alarm is on
        self._ended = -np.inf  # seconds, of the last alarm
        self._reported = 0.0  # seconds, of the last event
        self._explanation = Explanation([], rest_is_normal=False)  # of the last event
        self._peak = -np.inf

    @property
    def active(self) -> bool:
        """True while an alarm is on."""
        return self._started is not None

    def update(self, result: Result) -> AlarmEvent | None:
        """Add the result of the next window; returns the event that it causes, if any."""
        above = result.score > self._limit()
        if above and not self.active and not any(self._above):
            self._first_above = result.t
        self._above.append(above)
        if self._started is None:
            return self._start(result) if self._must_start(result.t) else None
        self._peak = max(self._peak, result.score)
        if self._must_end():
            return self._end(result, self._started)
        if result.t - self._reported >= UPDATE_SECONDS:
            return self._event("update", result, self._started)
        return None

    def reset(self) -> None:
        """Forget the windows before a gap; an alarm that is on stays on."""
        self._above.clear()

    def _limit(self) -> float:
        """The score above which a window counts."""
        return self._rule.value - (self._rule.hysteresis if self.active else 0.0)

    def _must_start(self, t: float) -> bool:
        cooled_down = t - self._ended >= self._rule.cooldown
        return sum(self._above) >= self._rule.alarm_windows and cooled_down

    def _must_end(self) -> bool:
        return len(self._above) == self._rule.of_windows and not any(self._above)

    def _start(self, result: Result) -> AlarmEvent:
        self._started = result.t
        self._peak = result.score
        return self._event("start", result, result.t)

    def _end(self, result: Result, started: float) -> AlarmEvent:
        self._started = None
        self._ended = result.t
        return self._event("end", result, started)

    def _event(self, phase: Phase, result: Result, started: float) -> AlarmEvent:
        self._reported = result.t
        lasted = f"{result.t - self._first_above:.0f} s"
        if phase == "end":  # the window is normal, so the last explanation is repeated
            sentence = f"normal again; it was: {self._explanation.sentence(f'for {lasted}')}"
        else:
            self._explanation = self._explainer.explain(result.window.features)
            sentence = self._explanation.sentence(f"since {lasted}")
        return AlarmEvent(
            phase,
            result.t,
            round(result.t - started, 3),
            self._peak,
            list(self._explanation.moved),
            sentence,
        )
