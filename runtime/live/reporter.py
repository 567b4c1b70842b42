"""From the windows of one source to its lines: scores, health, alarms, learning, drift."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ..charts.charts import MAX_ACCEPTED_MINUTES
from ..monitoring.alarm import Alarm
from ..monitoring.charts_file import ChartsFile
from ..monitoring.drift_file import DriftFile
from ..monitoring.health import Health
from ..monitoring.learning import LearningReport, max_first_alarms
from ..monitoring.states import LEARNABLE_STATES, UNJUDGED_STATES
from ..outputs.feedback import FeedbackWay
from ..outputs.lines import Detail, EventLine, RunLine, ScoreLine, StatusLine
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from .verdict import Verdict

REPEAT_SECONDS = 600.0  # between two reports of sound that is not judged, as long as it lasts


class SourceReporter:
    """Turns the windows of one source into lines, and counts them."""

    def __init__(
        self,
        detector: Detector,
        source: str,
        track: DriftFile | None = None,
        memory: ChartsFile | None = None,
        *,
        learns: bool = True,
    ) -> None:
        """source: name in the lines.

        track: follows the drift of the machine.
        memory: keeps what the charts learn.
        learns: whether the charts learn, without ``memory``.
        """
        self.verdict = Verdict()
        self._detector = detector
        self._source = source
        self._track = track
        self._memory = memory
        if memory:
            self._alarm = Alarm.of(detector, memory.charts, memory.hours)
        else:
            self._alarm = Alarm.of(detector, learns=learns)
        self._learning: LearningReport | None = None
        if self._alarm.charts:
            budget = detector.threshold.false_alarms
            n_first = max_first_alarms(detector)
            self._learning = LearningReport(self._alarm.charts, budget, n_first)
        self._health = Health(detector)
        self._last_t = 0.0  # seconds, of the last window
        self._condition_t = 0.0  # seconds, of the last status of the sound

    @property
    def is_judged(self) -> bool:
        """False while the sound is such that its windows are not judged."""
        return self._health.condition.state not in UNJUDGED_STATES

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

    def accept(self, way: FeedbackWay) -> Iterator[RunLine]:
        """A person calls the sound of the last hour normal: yield the lines about it.

        way: how they said it.
        """
        n_minutes, event = self._alarm.accept()
        if event:
            yield EventLine.of(self._source, event)
        sentence = f"the sound was called normal: {n_minutes} of its last 60 minutes are learned"
        if n_minutes == 0:
            sentence = (
                "the sound was called normal, and none of it is learned: there is nothing new, "
                f"or {MAX_ACCEPTED_MINUTES} minutes were learned so in a day"
            )
        yield self._status("accepted", {"by": way, "minutes": n_minutes, "sentence": sentence})
        failure = self._memory.try_to_save() if self._memory else None
        if failure:
            yield self._status("learning", {"sentence": failure})

    def _status(self, state: str, details: Mapping[str, Detail]) -> StatusLine:
        """A status as of the last window."""
        return StatusLine(source=self._source, t=self._last_t, state=state, details=details)

    def _lines_of(self, window: Window) -> Iterator[RunLine]:
        previous_state = self._health.condition.state
        condition = self._health.update(window)
        judged = condition.state not in UNJUDGED_STATES
        is_due = not judged and window.end - self._condition_t >= REPEAT_SECONDS
        if condition.state != previous_state or is_due:
            self._condition_t = window.end
            yield StatusLine.of_sound(self._source, window.end, condition)
        compensated = self._track.tracker.compensate(window) if self._track else window
        result = self._detector.result(
            compensated, self._alarm.threshold_rise, health=condition.state
        )
        if not judged:
            result = replace(result, anomaly=False)
            self._alarm.reset()
        self.verdict.add_window(result.health, anomaly=result.anomaly)
        yield ScoreLine.of(self._source, result)
        event = None
        if judged:
            event = self._alarm.update(result, learnable=condition.state in LEARNABLE_STATES)
        if event:
            self.verdict.add_event(event.phase)
            yield EventLine.of(self._source, self._health.with_cause(event, compensated))
        # A window after a gap counts as one window: nobody observed the lost sound.
        seconds = min(result.t - self._last_t, self._detector.window)
        self._last_t = result.t
        yield from self._report_learning(seconds)
        yield from self._track_drift(window, result, seconds)

    def _report_learning(self, seconds: float) -> Iterator[RunLine]:
        """Yield the state of the charts, and why it cannot be saved, when that is due."""
        status = self._learning.update(self._last_t) if self._learning else None
        if status:
            yield self._status("learning", status.details())
        failure = self._memory.update(seconds) if self._memory else None
        if failure:
            yield self._status("learning", {"sentence": failure})

    def _track_drift(self, window: Window, result: Result, seconds: float) -> Iterator[RunLine]:
        """Update the drift with a window; yields its status when that is due."""
        if self._track is None:
            return
        status = self._track.update(window, result, seconds, alarm=self._alarm.active)
        if status:
            yield self._status(status.state, status.details())
