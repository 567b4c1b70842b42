"""What the charts have learned, and which changes they can find by now, for status lines.

The rate of false alarms holds from the start, because the limits of charts that know little of the
machine are wider (`edgeae.runtime.charts.control_limits`). What grows is the sensitivity.
"""

from dataclasses import dataclass

from ..charts.charts import SCALES_MINUTES, Charts

STATUS_SECONDS = 3600.0  # between two status lines, of sound
SCALE_WORDS = {1: "a minute", 4: "4 minutes", 15: "15 minutes", 60: "an hour"}


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

    def __init__(self, charts: Charts, false_alarms: str) -> None:
        """false_alarms: the budget that the charts keep."""
        self._charts = charts
        self._false_alarms = false_alarms
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
        sentence = (
            f"{n_active} of {len(SCALES_MINUTES)} time scales are active, "
            f"false alarms stay within {self._false_alarms}"
        )
        if waiting := self._next_scale():
            scale, minutes = waiting
            sentence += (
                f"; changes that show only over {SCALE_WORDS[scale]} are judged after about "
                f"{_duration(minutes)} of normal sound"
            )
        return LearningStatus(self._charts.sound.n_learned, n_active, sentence)

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
