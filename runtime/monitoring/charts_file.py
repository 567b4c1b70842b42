"""`edgeae run --state FILE`: what the charts of a machine have learned, in a JSON file.

How many bursts an hour has at this place (`edgeae.runtime.monitoring.recurrence`) is kept with it.

The file (`edgeae.runtime.monitoring.state_file`) is saved every ten minutes of sound and at the
end. Learned sound stays; the last minutes are pooled with new sound only if they are not too old.
A file of an earlier calibration of the machine is renamed and reported, because a service must
start after a calibration, too.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..charts.charts import Charts
from ..charts.charts_setup import has_charts
from ..charts.charts_state import ChartsState, count_of
from ..errors import ConfigError
from ..scoring.detector import Detector
from ..system.schema import JsonObject
from .recurrence import burst_hours
from .state_file import KeptState, StateKind

KIND = StateKind(
    "--state",
    "a file of learned sound",
    "the learned sound",
    "learning starts again",
    replaces_other_calibration=True,
)


@dataclass(frozen=True)
class ChartsFileLimits:
    """How often the state is saved."""

    save_seconds: float = 600.0  # of sound


DEFAULT_LIMITS = ChartsFileLimits()


class ChartsFile(KeptState):
    """Charts that continue from their file; a context that saves at its end.

    hours: the bursts of each monitored hour.

    Raises ConfigError if ``path`` cannot be used, or belongs to something else.
    """

    charts: Charts
    hours: deque[int]

    def __init__(
        self, path: Path, detector: Detector, limits: ChartsFileLimits = DEFAULT_LIMITS
    ) -> None:
        if not has_charts(detector):
            raise ConfigError(
                f"--state keeps the normal sound of one machine: the artifact has to be "
                f"calibrated, with a head other than mse (machine: {detector.machine}, "
                f"head: {detector.head.kind}); run `edgeae calibrate`"
            )
        super().__init__(path, detector, KIND)
        self._limits = limits
        self._detector = detector
        self._seconds_since_save = 0.0  # of sound
        self._failure = ""  # of the last time that it was saved
        if not self._file.restore(self._apply):
            self.charts = Charts(detector)
            self.hours = burst_hours()
        self._file.save_first(self._state())

    def update(self, seconds: float) -> str | None:
        """Save when that is due; returns why it failed, once for each reason.

        seconds: of new sound.
        """
        self._seconds_since_save += seconds
        if self._seconds_since_save < self._limits.save_seconds:
            return None
        return self.try_to_save()

    def try_to_save(self) -> str | None:
        """Save now; returns why it failed, once for each reason."""
        self._seconds_since_save = 0.0
        previous_failure = self._failure
        self._failure = self._file.try_to_save(self._state())
        return self._failure if self._failure and self._failure != previous_failure else None

    def _state(self) -> JsonObject:
        return {**self.charts.state().to_json(), "bursts": list(self.hours)}

    def _apply(self, state: JsonObject) -> None:
        """Continue from a state; ValueError, KeyError or TypeError if it is damaged."""
        charts = Charts(self._detector)
        n_features = len(self._detector.head.mean)
        charts_state = ChartsState.from_json(state, n_features, charts.n_views)
        hours = burst_hours(map(count_of, state.get("bursts", [])))
        saved = datetime.fromisoformat(state["saved"])
        paused_seconds = (datetime.now(UTC) - saved).total_seconds()
        # The time is saved in whole seconds.
        paused_seconds = 0.0 if -1 < paused_seconds < 0 else paused_seconds
        charts.restore(charts_state.after_pause(paused_seconds))
        self.charts = charts
        self.hours = hours
