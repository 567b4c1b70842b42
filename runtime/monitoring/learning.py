"""What the charts have learned, and which changes they can find by now, for status lines.

The limits of charts that know little of the machine are wider
(`edgeae.runtime.charts.control_limits`). But a minute of calibration does not show a load that
comes in the afternoon, so more false alarms than the budget allows are announced for the first day:
as many as simulated machines raised (`benchmarks/simulated_weeks.py`).
"""

import math
from dataclasses import dataclass

from ..charts.charts import SCALES_MINUTES, Charts
from ..scoring.detector import Detector

FIRST_DAY_MINUTES = 1440
MAX_FIRST_ALARMS = 4  # on the first day, at budgets of up to as many a day
STATUS_SECONDS = 3600.0  # between two status lines, of sound
SCALE_WORDS = {1: "a minute", 4: "4 minutes", 15: "15 minutes", 60: "an hour"}


def max_first_alarms(detector: Detector) -> int:
    """How many false alarms to expect on the first day at most."""
    windows_per_day = FIRST_DAY_MINUTES * 60 / detector.window
    return max(MAX_FIRST_ALARMS, math.ceil(detector.threshold.probability * windows_per_day))


@dataclass(frozen=True)
class LearningStatus:
    """What a status line reports of the charts."""

    learned_minutes: int
    active_scales: int
    sentence: str

    def details(self) -> dict[str, int | str]:
        """What the status line has beside the state."""
        return {
            "learned_minutes": self.learned_minutes,
            "active_scales": self.active_scales,
            "sentence": self.sentence,
        }


class LearningReport:
    """Decides when the state of the charts is reported."""

    def __init__(self, charts: Charts, false_alarms: str, max_first_alarms: int) -> None:
        """false_alarms: the budget that the charts keep.

        max_first_alarms: on the first day.
        """
        self._charts = charts
        self._false_alarms = false_alarms
        self._max_first_alarms = max_first_alarms
        self._n_active = len(charts.judged_minutes)
        self._reported_t = 0.0  # seconds

    def update(self, t: float) -> LearningStatus | None:
        """The status when a further scale became active, and hourly. t: seconds of sound."""
        n_active = len(self._charts.judged_minutes)
        is_due = t - self._reported_t >= STATUS_SECONDS
        if n_active <= self._n_active and not is_due:
            return None
        self._n_active = n_active
        self._reported_t = t
        return self.status()

    def status(self) -> LearningStatus:
        """What holds now."""
        n_active = len(self._charts.judged_minutes)
        scales = f"{n_active} of {len(SCALES_MINUTES)} time scales are active"
        sentence = f"{scales}, {self._promise()}"
        if waiting := self._next_scale():
            scale, minutes = waiting
            sentence += (
                f"; changes that show only over {SCALE_WORDS[scale]} are judged after about "
                f"{_duration(minutes)} of normal sound"
            )
        return LearningStatus(self._charts.sound.n_learned, n_active, sentence)

    def _promise(self) -> str:
        if not self._charts.learns:
            budget = self._false_alarms
            return f"nothing is learned, so {budget} holds for sound like the calibration's"
        minutes_left = FIRST_DAY_MINUTES - self._charts.monitored_minutes
        if minutes_left <= 0:
            return f"false alarms stay within {self._false_alarms}"
        return (
            f"expect up to {self._max_first_alarms} false alarms on the first day, and "
            f"{self._false_alarms} after {_duration(minutes_left)}"
        )

    def _next_scale(self) -> tuple[int, int] | None:
        """The scale that becomes active next, and after how many minutes."""
        active = self._charts.judged_minutes
        waiting = [scale for scale in SCALES_MINUTES if scale not in active]
        if not waiting or not self._charts.learns:
            return None  # it is not known when
        minutes = {scale: self._charts.minutes_until_judged(scale) for scale in waiting}
        soonest = min(waiting, key=lambda scale: minutes[scale])
        return soonest, minutes[soonest]


def _duration(minutes: int) -> str:
    if minutes == 1:
        return "a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if minutes_left else f"{hours} h"
