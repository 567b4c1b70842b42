"""When an alarm starts and ends, and what is only a burst.

A change that lasts is an **alarm**. It starts when a control chart
(`edgeae.runtime.monitoring.charts`) is above its limit, or when nearly all windows of 45 seconds
are above the threshold (k of n of `edgeae.runtime.scoring.threshold.Threshold`):

    ratio    |              x  x  x  x  x                | deviation of a chart to its limit
             |-------------------------------------------| 1
             |           x                 x             | within the hysteresis
             |...........................................| END_RATIO
             |  x  x  x                        x  x  x   | below
    alarm                   [==================]
                          start               end

start   a chart is above its limit, unless the last alarm ended less than the cool-down ago
update  each minute of an alarm
end     every chart is below END_RATIO of its limit, and none of the last windows is above the
        threshold less the hysteresis

A few windows above the threshold that are followed by normal ones are a **burst**: a door, a voice,
a single knock. It is reported once, when it is over, and is no alarm.

Windows before a gap do not count (`Alarm.reset`), and windows that cannot be judged are not passed
on (`edgeae.runtime.live.reporter`). Without a calibration there are no charts; the windows alone
decide.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..scoring.detector import Detector, Result
from ..scoring.explain import Explainer, Explanation, Moved
from ..scoring.threshold import Threshold
from .charts import MINUTE_SECONDS, Charts, Reading, has_charts

UPDATE_SECONDS = 60.0  # between two updates of an alarm
END_RATIO = 0.75  # of the limit of a chart, below which it no longer keeps an alarm on
MIN_BURST_WINDOWS = 3  # above the threshold, in a row of BURST_WINDOWS
BURST_WINDOWS = 5  # a burst is over when so many windows in a row are below

Phase = Literal["start", "update", "end", "burst"]
Kind = Literal["persistent", "burst"]
Cause = Literal["machine", "microphone"]


@dataclass(frozen=True)
class ChartName:
    """The chart that raised an alarm."""

    view: str
    scale_seconds: float


@dataclass(frozen=True)
class AlarmEvent:
    """The start, continuation or end of an alarm, or a burst."""

    phase: Phase
    t: float  # seconds from the start of the source
    duration: float  # seconds since the alarm started, or of the burst
    peak: float  # highest score so far
    bands: list[Moved]  # the ranges of frequencies that changed, the largest first
    sentence: str  # the same for a mechanic
    since: float  # seconds from the start of the source, estimated onset of the change
    chart: ChartName | None = None  # None: single windows raised it
    cause: Cause = "machine"  # see `edgeae.runtime.monitoring.health`

    @property
    def kind(self) -> Kind:
        """Whether the change lasts."""
        return "burst" if self.phase == "burst" else "persistent"


class _Windows:
    """Which of the last windows were above the threshold."""

    def __init__(self, rule: Threshold) -> None:
        self._rule = rule
        self._above: deque[bool] = deque(maxlen=rule.of_windows)
        self.first_above = 0.0  # seconds, of the first window of the present row
        self.peak: Result | None = None  # the window of the present row with the highest score

    def push(self, result: Result, *, in_alarm: bool) -> None:
        limit = self._rule.value - (self._rule.hysteresis if in_alarm else 0.0)
        above = result.score > limit
        if above and not self.any_recent:
            self.first_above = result.t
            self.peak = None
        if above and (self.peak is None or result.score > self.peak.score):
            self.peak = result
        self._above.append(above)

    @property
    def are_persistent(self) -> bool:
        """Whether k of the last n windows are above."""
        return sum(self._above) >= self._rule.alarm_windows

    @property
    def are_below(self) -> bool:
        """Whether a whole row of last windows is below the threshold."""
        return len(self._above) >= min(BURST_WINDOWS, self._rule.of_windows) and not self.any_recent

    @property
    def any_recent(self) -> bool:
        """Whether any of the last windows is above."""
        n = min(BURST_WINDOWS, self._rule.of_windows)
        return any(list(self._above)[-n:])

    def burst_is_over(self) -> bool:
        """Whether the present row of windows above has just ended, and was more than an outlier."""
        n = min(BURST_WINDOWS, self._rule.of_windows)
        above = list(self._above)
        if len(above) <= n or any(above[-n:]) or not above[-n - 1]:
            return False
        return sum(above[-n - BURST_WINDOWS : -n]) >= min(MIN_BURST_WINDOWS, self._rule.of_windows)

    def clear(self) -> None:
        self._above.clear()


class Alarm:
    """The alarm of one source: turns its results into events."""

    def __init__(
        self,
        rule: Threshold,
        explainer: Explainer,
        charts: Charts | None = None,
    ) -> None:
        """rule: the threshold, and how many windows above it are an alarm.

        explainer: names what changed.
        charts: of the source; None for a detector that has none.
        """
        self._rule = rule
        self._explainer = explainer
        self.charts = charts
        self._windows = _Windows(rule)
        self._started: float | None = None  # seconds; None while no alarm is on
        self._ended = -np.inf  # seconds, of the last alarm
        self._reported = 0.0  # seconds, of the last event
        self._since = 0.0  # seconds, onset of the present alarm
        self._chart: ChartName | None = None  # that raised the present alarm
        self._explanation = Explanation([], rest_is_normal=False)  # of the last event
        self._peak = -np.inf
        self._last_result: Result | None = None
        self._accepts_windows = False  # a person called the present windows above normal

    @classmethod
    def of(
        cls, detector: Detector, charts: Charts | None = None, *, learns: bool = True
    ) -> "Alarm":
        """The alarm of a new source.

        charts: with what was learned before; default: new ones.
        learns: whether new charts learn.
        """
        if charts is None and has_charts(detector):
            charts = Charts(detector, learns=learns)
        return cls(detector.threshold, detector.explainer, charts)

    @property
    def active(self) -> bool:
        """True while an alarm is on."""
        return self._started is not None

    def update(self, result: Result, *, learnable: bool = True) -> AlarmEvent | None:
        """Add the result of the next window; returns the event that it causes, if any.

        learnable: False while the microphone does not work as it should.
        """
        self._windows.push(result, in_alarm=self.active)
        self._last_result = result
        self._accepts_windows = self._accepts_windows and self._windows.any_recent
        readings: Sequence[Reading] = ()
        if self.charts:
            readings = self.charts.push(result.window, learnable=learnable, in_alarm=self.active)
        highest = max(readings, key=lambda reading: reading.ratio, default=None)
        if self._started is None:
            return self._start_or_burst(result, highest)
        self._peak = max(self._peak, result.score)
        if self._must_end(highest):
            return self._end(result, self._started)
        if result.t - self._reported >= UPDATE_SECONDS:
            return self._event("update", result, self._started, highest)
        return None

    def accept(self) -> tuple[int, AlarmEvent | None]:
        """A person calls the sound of the last hour normal: the charts learn it, an alarm ends.

        Windows that stay above the threshold raise no alarm until they were below it again.

        Returns the number of minutes that were learned, and the end of the alarm.
        """
        n_minutes = self.charts.accept() if self.charts else 0
        self._accepts_windows = self._windows.any_recent
        if self._started is None or self._last_result is None:
            return n_minutes, None
        return n_minutes, self._end(self._last_result, self._started)

    def reset(self) -> None:
        """Forget the windows before a gap; an alarm that is on stays on."""
        self._windows.clear()
        if self.charts:
            self.charts.reset()

    def _start_or_burst(self, result: Result, highest: Reading | None) -> AlarmEvent | None:
        has_cooled_down = result.t - self._ended >= self._rule.cooldown
        by_chart = highest is not None and highest.ratio > 1
        by_windows = self._windows.are_persistent and not self._accepts_windows
        if has_cooled_down and (by_chart or by_windows):
            return self._start(result, highest if by_chart else None)
        return self._burst(result) if self._windows.burst_is_over() else None

    def _must_end(self, highest: Reading | None) -> bool:
        # Until a minute is complete, at the start or after a gap, the charts show nothing. What
        # they raised goes on; what the windows raised, the windows end.
        if self.charts and highest is None and self._chart is not None:
            return False
        is_low = highest is None or highest.ratio < END_RATIO
        return is_low and self._windows.are_below

    def _start(self, result: Result, reading: Reading | None) -> AlarmEvent:
        self._started = result.t
        self._peak = result.score
        if reading is None:
            self._chart = None
            self._since = self._windows.first_above
        else:
            self._chart = ChartName(reading.view, reading.minutes * MINUTE_SECONDS)
            self._since = reading.since
        return self._event("start", result, result.t, reading)

    def _end(self, result: Result, started: float) -> AlarmEvent:
        self._started = None
        self._ended = result.t
        return self._event("end", result, started, None)

    def _burst(self, result: Result) -> AlarmEvent:
        peak = self._windows.peak or result
        seconds = round(result.t - self._windows.first_above, 3)
        explanation = self._explainer.explain(peak.window.features)
        return AlarmEvent(
            phase="burst",
            t=result.t,
            duration=seconds,
            peak=peak.score,
            bands=list(explanation.moved),
            sentence=f"a burst, {explanation.when_over(seconds)}",
            since=self._windows.first_above,
        )

    def _event(
        self, phase: Phase, result: Result, started: float, reading: Reading | None
    ) -> AlarmEvent:
        self._reported = result.t
        lasted = result.t - self._since
        if phase == "end":  # the sound is normal, so the last explanation is repeated
            sentence = self._explanation.when_over(lasted)
        else:
            features = result.window.features if reading is None else reading.features
            self._explanation = self._explainer.explain(features, self._n_windows(reading))
            sentence = self._explanation.while_it_lasts(lasted)
        return AlarmEvent(
            phase=phase,
            t=result.t,
            duration=round(result.t - started, 3),
            peak=self._peak,
            bands=list(self._explanation.moved),
            sentence=sentence,
            since=round(self._since, 3),
            chart=self._chart,
        )

    def _n_windows(self, reading: Reading | None) -> float:
        """How many windows that do not overlap are behind a reading, or one for a window."""
        if reading is None or not self._rule.window:
            return 1.0
        return max(1.0, reading.minutes * MINUTE_SECONDS / self._rule.window)
