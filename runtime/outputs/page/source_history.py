"""The history of one source, in bounded memory, as the live page shows it.

Times are milliseconds of the monotonic clock, so that setting the computer's clock moves no point;
the page adds the time of day.
"""

import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...monitoring.states import SOUND_STATES
from ..latest import CAPTURE_STATES, Latest
from ..lines import EventLine, GapLine, Line, RunLine, ScoreLine, StatusLine
from .lines import AboutLine, BandsLine

MAX_WINDOWS = 600  # ten minutes, one a second
MAX_MINUTES = 24 * 60
MAX_EVENTS = 20
MAX_GAPS = 100
MILLISECONDS_PER_MINUTE = 60_000

Message = dict[str, Any]  # for the page, as JSON


class WindowPoint(NamedTuple):
    """One window."""

    at: int  # milliseconds
    score: float
    level_dbfs: float | None
    levels: bytes  # see `edgeae.runtime.outputs.page.bands`


@dataclass
class MinutePoint:
    """The scores of one minute."""

    at: int  # milliseconds, of its first window
    lowest: float
    highest: float
    total: float = 0.0
    n_windows: int = 0

    def add(self, score: float) -> None:
        self.lowest = min(self.lowest, score)
        self.highest = max(self.highest, score)
        self.total += score
        self.n_windows += 1

    @property
    def number(self) -> int:
        """Which minute of its clock it is."""
        return self.at // MILLISECONDS_PER_MINUTE

    @property
    def mean(self) -> float:
        return self.total / self.n_windows

    def message(self) -> list[float]:
        """Its time, and its lowest, mean and highest score."""
        return [self.at, round(self.lowest, 2), round(self.mean, 2), round(self.highest, 2)]


@dataclass
class SourceHistory:
    """The history of one source."""

    latest: Latest
    about: Message = field(default_factory=dict)  # the calibration, which does not change
    windows: deque[WindowPoint] = field(default_factory=lambda: deque(maxlen=MAX_WINDOWS))
    minutes: deque[MinutePoint] = field(default_factory=lambda: deque(maxlen=MAX_MINUTES))
    events: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    gaps: deque[tuple[int, float, str]] = field(default_factory=lambda: deque(maxlen=MAX_GAPS))
    n_windows: int = 0  # since the start
    n_changes: int = 0  # lines that were not scores, since the start
    n_events: int = 0
    n_gaps: int = 0
    lost_seconds: float = 0.0
    reason: str | None = None  # the sentence of the state of its sound or capture
    drift: float | None = None  # share of the allowed drift, 0 to 1
    age_seconds: float = 0.0  # of the sound of the last score, when it was published
    accepted: tuple[int, str] | None = None  # when the sound was called normal, and the effect
    _levels: bytes = b""
    _residual: bytes = b""

    def add(self, line: Line) -> None:
        """Add a line of this source."""
        if isinstance(line, AboutLine):
            self.about = line.to_dict()
            for key in ("type", "source", "machine"):
                del self.about[key]
        elif isinstance(line, BandsLine):
            self._levels = line.levels
            self._residual = line.residual
        elif isinstance(line, RunLine):
            self.latest.update(line)
            self.n_changes += not isinstance(line, ScoreLine)
            self._add_run_line(line)

    def state(self) -> Message:
        """The present state."""
        latest = self.latest
        alarm_start = self.events[-1]["at"] if latest.alarm and self.events else None
        return {
            "at": self.windows[-1].at if self.windows else None,
            "source": latest.source,
            "machine": latest.machine,
            "capture": latest.state,
            "paused": latest.paused,
            "synced": latest.synced,
            "score": latest.score,
            "threshold": latest.threshold,
            "anomaly": latest.anomaly,
            "alarm": latest.alarm,
            "since": alarm_start,
            "sentence": latest.last_event if latest.alarm else None,
            "level": latest.level_dbfs,
            "health": latest.health,
            "reason": self.reason,
            "drift": self.drift,
            "gaps": self.n_gaps,
            "lost": round(self.lost_seconds, 3),
        }

    def past(self) -> Message:
        """The whole history."""
        return {
            "about": self.about,
            "minutes": [minute.message() for minute in self.minutes],
            **self.since(n_windows=0, n_changes=-1),
        }

    def since(self, n_windows: int, n_changes: int) -> Message:
        """The part of the history after the first ``n_windows`` windows and ``n_changes`` changes.

        A window that is not kept any more is left out.
        """
        message: Message = {}
        n_new = min(self.n_windows - n_windows, len(self.windows))
        if n_new > 0:
            windows = list(self.windows)[-n_new:]
            message["windows"] = [window[:3] for window in windows]
            message["columns"] = _base64(b"".join(window.levels for window in windows))
            message["residual"] = _base64(self._residual)
            message["minute"] = self.minutes[-1].message()
        if self.n_changes != n_changes:
            message["events"] = list(self.events)
            message["gap_list"] = list(self.gaps)
            message["accepted"] = self.accepted
        return message

    def _add_run_line(self, line: RunLine) -> None:
        match line:
            case ScoreLine():
                self._add_score(line)
            case EventLine():
                self._add_event(line)
            case GapLine():
                self._add_gap(line)
            case StatusLine():
                self._add_status(line)

    def _add_score(self, line: ScoreLine) -> None:
        self.age_seconds = line.age or 0.0
        at = monotonic_milliseconds(self.age_seconds)
        self.windows.append(WindowPoint(at, round(line.score, 3), line.level_dbfs, self._levels))
        self.n_windows += 1
        number = at // MILLISECONDS_PER_MINUTE
        if not self.minutes or self.minutes[-1].number != number:
            self.minutes.append(MinutePoint(at, lowest=line.score, highest=line.score))
        self.minutes[-1].add(line.score)

    def _add_event(self, line: EventLine) -> None:
        if line.phase == "burst":
            return
        at = monotonic_milliseconds(self.age_seconds)
        if line.phase == "start" or not self.events:
            self.n_events += 1
            self.events.append({"id": self.n_events, "at": at - round(1000 * line.duration)})
        self.events[-1] |= {
            "duration": line.duration,
            "peak": line.peak,
            "sentence": line.sentence,
            "cause": line.cause,
            "end": at if line.phase == "end" else None,
        }

    def _add_gap(self, line: GapLine) -> None:
        self.gaps.append((monotonic_milliseconds(), line.seconds, line.reason))
        self.n_gaps += 1
        self.lost_seconds += line.seconds

    def _add_status(self, line: StatusLine) -> None:
        if line.state == "accepted":
            self.accepted = (monotonic_milliseconds(), line.sentence or "")
        if line.drift is not None:
            self.drift = line.drift
        if line.state in CAPTURE_STATES or line.state in SOUND_STATES:
            self.reason = line.sentence if line.state != "ok" else None


def monotonic_milliseconds(age_seconds: float = 0.0) -> int:
    """The time ``age_seconds`` ago on the monotonic clock."""
    return round(1000 * (time.monotonic() - age_seconds))


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
