"""From scores to alarms that can be trusted: k of n windows, hysteresis, a cool-down, the bands that moved."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ..scoring.detector import Detector, Result
from ..scoring.explain import Explanation

UPDATE_SECONDS = 60.0  # between two updates of an alarm that lasts


@dataclass(frozen=True)
class AlarmEvent:
    """The start, continuation or end of an alarm."""

    phase: Literal["start", "update", "end"]
    t: float  # seconds from the start of the source
    duration: float  # seconds since the alarm began
    peak: float  # highest score so far
    bands: list[
        dict[str, Any]
    ]  # what moved, the largest first, see `edgeae.runtime.scoring.explain.Moved`
    sentence: str  # the same for a mechanic
    cause: Literal["machine", "microphone"] = "machine"  # see `edgeae.runtime.monitoring.health`


class Alarm:
    """Turns the results of one source into events."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._rule = detector, detector.threshold
        self._above: deque[bool] = deque(maxlen=self._rule.of_windows)
        self._heard = 0.0  # seconds, when the first window above the threshold came
        self._began: float | None = None
        self._ended = -np.inf
        self._told = 0.0
        self._found = Explanation([], rest_is_normal=False)  # what was told last
        self._peak = -np.inf

    @property
    def active(self) -> bool:
        return self._began is not None

    def update(self, result: Result) -> AlarmEvent | None:
        """The event that ``result`` causes, if it causes one."""
        limit = self._rule.value - (self._rule.hysteresis if self.active else 0.0)
        if result.score > limit and not any(self._above) and not self.active:
            self._heard = result.t
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

    def _start(self, result: Result) -> AlarmEvent | None:
        if (
            sum(self._above) < self._rule.alarm_windows
            or result.t - self._ended < self._rule.cooldown
        ):
            return None
        self._began, self._peak = result.t, result.score
        return self._event("start", result, result.t)

    def _end(self, result: Result) -> AlarmEvent:
        began, self._began, self._ended = self._began, None, result.t
        return self._event("end", result, began or 0.0)

    def _event(
        self, phase: Literal["start", "update", "end"], result: Result, began: float
    ) -> AlarmEvent:
        self._told = result.t
        heard = f"{result.t - self._heard:.0f} s"
        if phase == "end":  # tells what it was
            sentence = f"normal again; it was: {self._found.sentence(f'for {heard}')}"
        else:
            self._found = self._detector.explainer.explain(result.window.features)
            sentence = self._found.sentence(f"since {heard}")
        bands = [asdict(moved) for moved in self._found.moved]
        return AlarmEvent(phase, result.t, round(result.t - began, 3), self._peak, bands, sentence)
