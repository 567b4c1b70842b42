"""When an alarm starts and ends, and what is only a burst.

A change that lasts is an **alarm**. It starts when a control chart
(`edgeae.runtime.charts.charts`) is above its limit, when nearly all windows of 45 seconds
are above the threshold (k of n of `edgeae.runtime.scoring.threshold.Threshold`), or when bursts
keep coming back (`edgeae.runtime.monitoring.recurrence`):

    ratio    |              x  x  x  x  x                | deviation of a chart to its limit
             |-------------------------------------------| 1
             |           x                 x             | within the hysteresis
             |...........................................| END_RATIO
             |  x  x  x                        x  x  x   | below
    alarm                   [==================]
                          start               end

start   a chart is above its limit, unless the last alarm ended less than the cool-down ago
update  each minute of an alarm
end     every chart is below END_RATIO of its limit, none of the last windows is above the
        threshold less the hysteresis, and bursts that came back have stopped

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

from ..charts.charts import Charts, Reading
from ..charts.charts_setup import has_charts
from ..charts.minute_pool import MINUTE_SECONDS
from ..scoring.detector import Detector, Result
from ..scoring.explain import NORMAL_AGAIN, Explainer, Explanation, Moved
from ..scoring.threshold import Threshold
from .recurrence import Recurrence

UPDATE_SECONDS = 60.0  # between two updates of an alarm
END_RATIO = 0.75  # of the limit of a chart, below which it no longer keeps an alarm on
MIN_BURST_WINDOWS = 3  # above the threshold, in a row of BURST_WINDOWS
BURST_WINDOWS = 5  # a burst is over when so many windows in a row are below
CALLED_NORMAL = "called normal by a person"

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
    chart: ChartName | None = None  # None: single windows or bursts raised it
    cause: Cause = "machine"  # see `edgeae.runtime.monitoring.health`

    @property
    def kind(self) -> Kind:
        """Whether the change lasts."""
        return "burst" if self.phase == "burst" else "persistent"


class _Windows:
    """Which of the last windows were above the threshold."""

    def __init__(self, rule: Threshold) -> None:
        self._rule = rule
        # A burst is seen from the windows before and after its end, whatever the rule.
        self._above: deque[bool] = deque(maxlen=max(rule.of_windows, 2 * BURST_WINDOWS))
        self.first_above = 0.0  # seconds, of the first window of the present row
        self._last_above = 0.0  # seconds, of the last one
        self._step = 0.0  # seconds between the last two windows
        self._last_t = 0.0  # seconds, of the last window
        self.peak: Result | None = None  # the window of the present row with the highest score

    def push(self, result: Result, *, in_alarm: bool) -> None:
        limit = result.threshold - (self._rule.hysteresis if in_alarm else 0.0)
        above = result.score > limit
        if above and not any(list(self._above)[-BURST_WINDOWS:]):
            self.first_above = result.t
            self.peak = None
        if above:
            self._last_above = result.t
        self._step = result.t - self._last_t
        self._last_t = result.t
        if above and (self.peak is None or result.score > self.peak.score):
            self.peak = result
        self._above.append(above)

    @property
    def are_persistent(self) -> bool:
        """Whether k of the last n windows are above."""
        return sum(list(self._above)[-self._rule.of_windows :]) >= self._rule.alarm_windows

    @property
    def are_below(self) -> bool:
        """Whether a whole row of last windows is below the threshold."""
        return len(self._above) >= min(BURST_WINDOWS, self._rule.of_windows) and not self.any_recent

    @property
    def any_recent(self) -> bool:
        """Whether any of the last windows is above."""
        n = min(BURST_WINDOWS, self._rule.of_windows)
        return any(list(self._above)[-n:])

    @property
    def seconds_above(self) -> float:
        """How long the sound of the present row lasted: each window is above that holds some."""
        seconds = self._last_above - self.first_above + self._step - self._rule.window
        return round(max(seconds, self._step), 3)

    def burst_is_over(self) -> bool:
        """Whether the present row of windows above has just ended, and was more than an outlier."""
        above = list(self._above)
        before = above[:-BURST_WINDOWS]
        if not before or not before[-1] or any(above[-BURST_WINDOWS:]):
            return False
        return sum(before[-BURST_WINDOWS:]) >= MIN_BURST_WINDOWS

    def clear(self) -> None:
        self._above.clear()


@dataclass(frozen=True)
class _Burst:
    """A burst that is over."""

    explanation: Explanation
    seconds: float
    peak: float  # score

    def sentence(self) -> str:
        return self.explanation.that_lasted(self.seconds)


class Alarm:
    """The alarm of one source: turns its results into events."""

    def __init__(
        self,
        rule: Threshold,
        explainer: Explainer,
        charts: Charts | None = None,
        hours: deque[int] | None = None,
    ) -> None:
        """rule: the threshold, and how many windows above it are an alarm.

        explainer: names what changed.
        charts: of the source; None for a detector that has none.
        hours: see `Recurrence`.
        """
        self._rule = rule
        self._explainer = explainer
        self.charts = charts
        self._windows = _Windows(rule)
        self._recurrence = Recurrence(rule, hours)
        self._is_recurrence = False  # bursts raised the present alarm
        self._last_burst: _Burst | None = None
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
        cls,
        detector: Detector,
        charts: Charts | None = None,
        hours: deque[int] | None = None,
        *,
        learns: bool = True,
    ) -> "Alarm":
        """The alarm of a new source.

        charts: with what was learned before; default: new ones.
        hours: see `Recurrence`.
        learns: whether new charts learn.
        """
        if charts is None and has_charts(detector):
            charts = Charts(detector, learns=learns)
        return cls(detector.threshold, detector.explainer, charts, hours)

    @property
    def active(self) -> bool:
        """True while an alarm is on."""
        return self._started is not None

    @property
    def threshold_rise(self) -> float:
        """How much learned sound raises the threshold of windows."""
        return self.charts.threshold_rise if self.charts else 0.0

    def update(self, result: Result, *, learnable: bool = True) -> AlarmEvent | None:
        """Add the result of the next window; returns the event that it causes, if any.

        learnable: False while the microphone does not work as it should.
        """
        # A burst is the same before and after bursts raised an alarm.
        self._windows.push(result, in_alarm=self.active and not self._is_recurrence)
        self._last_result = result
        is_burst = self._windows.burst_is_over() and not self._accepts_windows
        self._accepts_windows = self._accepts_windows and self._windows.any_recent
        self._recurrence.advance(result.t, self._rule.window or 1.0, learns=not self.active)
        if is_burst and (self._is_recurrence or not self.active):
            self._add_burst(result)
        readings: Sequence[Reading] = ()
        if self.charts:
            readings = self.charts.push(result.window, learnable=learnable, in_alarm=self.active)
        highest = max(readings, key=lambda reading: reading.ratio, default=None)
        if self._started is None:
            return self._start_or_burst(result, highest, is_burst=is_burst)
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
        self._recurrence.accept()
        if self._started is None or self._last_result is None:
            return n_minutes, None
        return n_minutes, self._end(self._last_result, self._started, CALLED_NORMAL)

    def reset(self) -> None:
        """Forget the windows before a gap; an alarm that is on stays on."""
        self._windows.clear()
        if self.charts:
            self.charts.reset()

    def _start_or_burst(
        self, result: Result, highest: Reading | None, *, is_burst: bool
    ) -> AlarmEvent | None:
        has_cooled_down = result.t - self._ended >= self._rule.cooldown
        by_chart = highest is not None and highest.ratio > 1
        # The charts learn how the machine varies; the threshold of the windows knows the
        # calibration alone. So the windows decide only while the charts show nothing.
        by_windows = highest is None and self._windows.are_persistent and not self._accepts_windows
        by_recurrence = is_burst and self._recurrence.is_recurrent
        if has_cooled_down and (by_chart or by_windows or by_recurrence):
            self._is_recurrence = not by_chart and not by_windows
            return self._start(result, highest if by_chart else None)
        if is_burst and self._last_burst:
            return self._burst_event(result, self._last_burst)
        return None

    def _must_end(self, highest: Reading | None) -> bool:
        if self._is_recurrence and not self._recurrence.has_stopped:
            return False
        # Until a minute is complete, at the start or after a gap, the charts show nothing. What a
        # chart raised goes on; what the windows raised, the windows end.
        is_low = highest is None or highest.ratio < END_RATIO
        if self._chart is not None:
            return highest is not None and is_low
        return is_low and self._windows.are_below

    def _start(self, result: Result, reading: Reading | None) -> AlarmEvent:
        self._started = result.t
        self._peak = result.score
        if self._is_recurrence and self._last_burst:
            self._peak = self._last_burst.peak
        if reading is None:
            self._chart = None
            self._since = self._windows.first_above
            if self._is_recurrence:
                self._since = self._recurrence.since
        else:
            self._chart = ChartName(reading.view, reading.minutes * MINUTE_SECONDS)
            self._since = reading.since
        return self._event("start", result, result.t, reading)

    def _end(self, result: Result, started: float, reason: str = NORMAL_AGAIN) -> AlarmEvent:
        self._started = None
        self._ended = result.t
        event = self._event("end", result, started, None, reason)
        if self._is_recurrence:
            self._recurrence.clear()
        self._is_recurrence = False
        return event

    def _add_burst(self, result: Result) -> None:
        """Count a burst that has just ended."""
        peak = self._windows.peak or result
        self._last_burst = _Burst(
            self._explainer.explain(peak.window.features), self._windows.seconds_above, peak.score
        )
        self._recurrence.add(self._windows.first_above)

    def _burst_event(self, result: Result, burst: _Burst) -> AlarmEvent:
        return AlarmEvent(
            phase="burst",
            t=result.t,
            duration=burst.seconds,
            peak=burst.peak,
            bands=list(burst.explanation.moved),
            sentence=f"a burst, {burst.explanation.when_over(burst.seconds)}",
            since=self._windows.first_above,
        )

    def _event(
        self,
        phase: Phase,
        result: Result,
        started: float,
        reading: Reading | None,
        reason: str = NORMAL_AGAIN,
    ) -> AlarmEvent:
        """reason: why the alarm is over, at its end."""
        self._reported = result.t
        lasted = result.t - self._since
        if self._is_recurrence and self._last_burst:
            self._explanation = self._last_burst.explanation
            sentence = self._recurrence_sentence(phase, self._last_burst, reason)
        elif phase == "end":  # the sound is normal, so the last explanation is repeated
            sentence = self._explanation.when_over(lasted, reason)
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

    def _recurrence_sentence(self, phase: Phase, last: _Burst, reason: str) -> str:
        if phase == "end":
            return f"{reason}; short sounds kept coming back, the last: {last.sentence()}"
        n = self._recurrence.n_recent
        return f"short sounds keep coming back: {n} in the last hour; the last: {last.sentence()}"

    def _n_windows(self, reading: Reading | None) -> float:
        """How many windows that do not overlap are behind a reading, or one for a window."""
        if reading is None or not self._rule.window:
            return 1.0
        return max(1.0, reading.minutes * MINUTE_SECONDS / self._rule.window)
