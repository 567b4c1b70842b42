"""`edgeae run --track FILE`: the drift of a machine in a JSON file that survives power cuts.

    {..., "learned": seconds of sound, "drift": [one number a feature]}

The file (`edgeae.runtime.monitoring.state_file`) is saved every hour of sound and at the end. A
file of another calibration is refused, because the drift was measured from its mean.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from ..system.arrays import Float64
from ..system.schema import JsonObject
from .drift import DEFAULT_DAYS, DEFAULT_LIMITS, DriftLimits, DriftStatus, DriftTracker
from .state_file import KeptState, StateKind

MAX_LEARNED_SECONDS = 1e10  # three centuries
KIND = StateKind("--track", "a tracker's file", "the drift", "tracking starts again")


class DriftFile(KeptState):
    """A tracker that continues from its file; a context that saves at its end.

    Raises ConfigError if ``path`` cannot be used, or belongs to something else.
    """

    def __init__(
        self,
        path: Path,
        detector: Detector,
        days: float = DEFAULT_DAYS,
        limits: DriftLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(path, detector, KIND)
        self.tracker = DriftTracker(detector, days, limits)
        self._seconds_since_status = 0.0  # of sound
        self._file.restore(self._apply)
        self._file.save_first(self._state())

    def update(
        self, window: Window, result: Result, seconds: float, *, alarm: bool
    ) -> DriftStatus | None:
        """`DriftTracker.update`; saves and returns a status once an hour of sound."""
        self.tracker.update(window, result, seconds, alarm=alarm)
        self._seconds_since_status += seconds
        if self._seconds_since_status < self.tracker.limits.status_seconds:
            return None
        self._seconds_since_status = 0.0
        status = self.tracker.status()
        failure = self._file.try_to_save(self._state())
        return replace(status, sentence=failure) if failure else status

    def save(self) -> None:
        """Replace the file as a whole; OSError if that fails."""
        self._file.save(self._state())

    def _state(self) -> JsonObject:
        return {
            "learned": round(self.tracker.learned_seconds, 3),
            "drift": [round(value, 7) for value in self.tracker.drift.tolist()],
        }

    def _apply(self, state: JsonObject) -> None:
        """Continue from a state; ValueError, KeyError or TypeError if it is damaged."""
        drift = _finite(state["drift"], len(self.tracker.drift))
        learned_seconds = float(_finite([state["learned"]], 1)[0])
        if not 0 <= learned_seconds <= MAX_LEARNED_SECONDS:
            raise ValueError(f"{learned_seconds} seconds were learned")
        self.tracker.set_drift(drift)
        self.tracker.learned_seconds = learned_seconds


def _finite(values: object, n: int) -> Float64:
    """``values`` as (n,) finite numbers, or ValueError."""
    array = np.array(values, np.float64)
    if array.shape != (n,) or not np.isfinite(array).all():
        raise ValueError(f"not {n} finite numbers")
    return array
