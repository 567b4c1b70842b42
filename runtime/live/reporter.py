"""From the windows of one source to its lines: scores, health, alarms, what the tracker says."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..monitoring.alarm import Alarm
from ..monitoring.drift_file import DriftFile
from ..monitoring.health import Health
from ..monitoring.states import UNJUDGED_STATES
from ..outputs.lines import EventLine, RunLine, ScoreLine, StatusLine
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window


class SourceReporter:
    """Turns the windows of one source into lines, and remembers whether any was anomalous."""

    def __init__(self, detector: Detector, source: str, track: DriftFile | None = None) -> None:
        self._detector, self._alarm, self._health = (
            detector,
            Alarm(detector.threshold, detector.explainer),
            Health(detector),
        )
        self._source, self._track, self._t = source, track, 0.0
        self.anomalous = False
        self.windows = 0

    @property
    def alarm(self) -> bool:
        """An alarm is on."""
        return self._alarm.active

    def lines(self, windows: Iterable[Window]) -> Iterator[RunLine]:
        for window in windows:
            before, condition = self._health.condition, self._health.update(window)
            if condition.state != before.state:
                yield StatusLine.of_sound(self._source, window.end, condition)
            heard = self._track.tracker.compensate(window) if self._track else window
            result: Result = replace(self._detector.result(heard), health=condition.state)
            if condition.state in UNJUDGED_STATES:
                result = replace(result, anomaly=False)
                self._alarm.reset()
            self.windows += 1
            self.anomalous |= result.anomaly
            yield ScoreLine.of(self._source, result)
            if condition.state not in UNJUDGED_STATES and (event := self._alarm.update(result)):
                yield EventLine.of(self._source, self._health.with_cause(event, heard))
            yield from self._learn(window, result)

    def _learn(self, window: Window, result: Result) -> Iterator[RunLine]:
        """Let the tracker hear; sound that a gap lost does not count."""
        seconds, self._t = min(result.t - self._t, self._detector.window), result.t
        if self._track and (
            status := self._track.update(window, result, seconds, alarm=self._alarm.active)
        ):
            yield StatusLine(
                source=self._source, t=result.t, state=status.state, details=status.details()
            )

    def gap(self) -> None:
        """What came before is not followed by what comes now."""
        self._alarm.reset()
