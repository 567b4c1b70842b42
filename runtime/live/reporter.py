"""From the windows of one source to its lines: scores, health, alarms, drift."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..monitoring.alarm import Alarm
from ..monitoring.drift_file import DriftFile
from ..monitoring.health import Health
from ..monitoring.states import LEARNABLE_STATES, UNJUDGED_STATES
from ..outputs.lines import EventLine, RunLine, ScoreLine, StatusLine
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window


class SourceReporter:
    """Turns the windows of one source into lines, and counts them."""

    def __init__(self, detector: Detector, source: str, track: DriftFile | None = None) -> None:
        """source: name in the lines. track: follows the drift of the machine."""
        self.n_windows = 0
        self.any_anomaly = False
        self._detector = detector
        self._source = source
        self._track = track
        self._alarm = Alarm.of(detector)
        self._health = Health(detector)
        self._last_t = 0.0  # seconds, of the last window

    @property
    def alarm_active(self) -> bool:
        """True while an alarm lasts."""
        return self._alarm.active

    def lines(self, windows: Iterable[Window]) -> Iterator[RunLine]:
        """Yield the lines of each window; exactly one of them is a ScoreLine."""
        for window in windows:
            yield from self._lines_of(window)

    def reset_alarm(self) -> None:
        """Forget the windows before a gap: they must not count for an alarm after it."""
        self._alarm.reset()

    def _lines_of(self, window: Window) -> Iterator[RunLine]:
        previous_state = self._health.condition.state
        condition = self._health.update(window)
        if condition.state != previous_state:
            yield StatusLine.of_sound(self._source, window.end, condition)
        compensated = self._track.tracker.compensate(window) if self._track else window
        result = replace(self._detector.result(compensated), health=condition.state)
        judged = condition.state not in UNJUDGED_STATES
        if not judged:
            result = replace(result, anomaly=False)
            self._alarm.reset()
        self.n_windows += 1
        self.any_anomaly = self.any_anomaly or result.anomaly
        yield ScoreLine.of(self._source, result)
        event = None
        if judged:
            event = self._alarm.update(result, learnable=condition.state in LEARNABLE_STATES)
        if event:
            yield EventLine.of(self._source, self._health.with_cause(event, compensated))
        yield from self._track_drift(window, result)

    def _track_drift(self, window: Window, result: Result) -> Iterator[RunLine]:
        """Update the drift with a window; yields its status when that is due."""
        # A window after a gap counts as one window: the tracker did not observe the lost sound.
        seconds = min(result.t - self._last_t, self._detector.window)
        self._last_t = result.t
        if self._track is None:
            return
        status = self._track.update(window, result, seconds, alarm=self._alarm.active)
        if status:
            yield StatusLine(
                source=self._source, t=result.t, state=status.state, details=status.details()
            )
