"""What a live page shows, kept in bounded memory, so that a page that is opened later shows the
past.

    lines --deliver--> Track of each source:  ten minutes of windows, a day of minutes, the last
    events and gaps
                                              --news--> what a viewer has not seen yet

Nothing waits for a viewer: each asks once a second for what came since it asked last, and one
that is too slow to ask
misses what left the history meanwhile. Times are milliseconds of the monotonic clock, so that a
clock that is set
moves no point; the page adds the time of day.
"""

import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ...monitoring.states import SOUND_STATES
from ..latest import CAPTURE_STATES, MAX_SOURCES, Latest, is_about_source
from ..lines import EventLine, GapLine, Line, RunLine, ScoreLine, StatusLine
from ..sink import Sink
from .lines import AboutLine, BandsLine

WINDOWS = 600  # ten minutes, one a second
MINUTES = 24 * 60
EVENTS = 20
GAPS = 100
OTHERS = 5  # asks, of which one tells of sources that the viewer does not look at

News = dict[str, Any]


@dataclass
class Track:
    """The history of one source."""

    latest: Latest
    about: News = field(default_factory=dict)  # what does not change
    windows: deque[tuple[int, float, float | None, bytes]] = field(
        default_factory=lambda: deque(maxlen=WINDOWS)
    )
    minutes: deque[list[float]] = field(
        default_factory=lambda: deque(maxlen=MINUTES)
    )  # at, least, sum, most, windows
    events: deque[News] = field(default_factory=lambda: deque(maxlen=EVENTS))
    gaps: deque[tuple[int, float, str]] = field(default_factory=lambda: deque(maxlen=GAPS))
    n_windows: int = 0  # in all
    gap_count: int = 0
    lost: float = 0.0  # seconds
    changes: int = 0  # of anything but scores
    event_count: int = 0
    why: str | None = None  # the sentence of its health or capture
    drift: float | None = None  # 0 to 1, of a tracked normal
    age: float = 0.0  # seconds of the last line
    _column: bytes = b""
    _residual: bytes = b""

    def hear(self, line: Line) -> None:
        if isinstance(line, AboutLine):
            self.about = line.to_dict()
            for key in ("type", "source", "machine"):
                del self.about[key]
        elif isinstance(line, BandsLine):
            self._column = line.levels
            self._residual = line.residual
        elif isinstance(line, RunLine):
            self.latest.update(line)
            self.changes += not isinstance(line, ScoreLine)
            self._add(line)

    def _add(self, line: RunLine) -> None:
        match line:
            case ScoreLine():
                self._score(line)
            case EventLine():
                self._event(line)
            case GapLine():
                self._gap(line)
            case StatusLine():
                self._status(line)

    def _score(self, line: ScoreLine) -> None:
        self.age = line.age or 0.0
        at = _now(self.age)
        score = line.score
        self.windows.append((at, round(score, 3), line.level_dbfs, self._column))
        self.n_windows += 1
        if not self.minutes or at // 60_000 != self.minutes[-1][0] // 60_000:
            self.minutes.append([at, score, 0.0, score, 0])
        minute = self.minutes[-1]
        minute[1:] = [
            min(minute[1], score),
            minute[2] + score,
            max(minute[3], score),
            minute[4] + 1,
        ]

    def _event(self, line: EventLine) -> None:
        at = _now(self.age)
        if line.phase == "start" or not self.events:
            self.event_count += 1
            self.events.append({"id": self.event_count, "at": at - round(1000 * line.duration)})
        self.events[-1] |= {
            "duration": line.duration,
            "peak": line.peak,
            "sentence": line.sentence,
            "cause": line.cause,
            "end": at if line.phase == "end" else None,
            "clip": line.clip.path if line.clip else None,
        }

    def _gap(self, line: GapLine) -> None:
        self.gaps.append((_now(), line.seconds, line.reason))
        self.gap_count += 1
        self.lost += line.seconds

    def _status(self, line: StatusLine) -> None:
        if line.drift is not None:
            self.drift = line.drift
        if line.state in CAPTURE_STATES or line.state in SOUND_STATES:
            self.why = line.sentence if line.state != "ok" else None

    def clip(self, number: int) -> str | None:
        """The path of the sound of an event."""
        return next((event["clip"] for event in self.events if event["id"] == number), None)

    def state(self) -> News:
        """What is true now."""
        latest = self.latest
        names = {
            "source": latest.source,
            "machine": latest.machine,
            "capture": latest.state,
            "synced": latest.synced,
        }
        judged = {"score": latest.score, "threshold": latest.threshold, "anomaly": latest.anomaly}
        since = self.events[-1]["at"] if latest.alarm and self.events else None
        alarm = {
            "alarm": latest.alarm,
            "since": since,
            "sentence": latest.last_event if latest.alarm else None,
        }
        sound = {
            "level": latest.level_dbfs,
            "health": latest.health,
            "why": self.why,
            "drift": self.drift,
        }
        lost = {"gaps": self.gap_count, "lost": round(self.lost, 3)}
        return {
            "at": self.windows[-1][0] if self.windows else None,
            **names,
            **judged,
            **alarm,
            **sound,
            **lost,
        }

    def past(self) -> News:
        """All of it."""
        return {
            "about": self.about,
            "minutes": [_minute(minute) for minute in self.minutes],
            **self.since(0, -1),
        }

    def since(self, n_windows: int, changes: int) -> News:
        """What came after so many windows and changes."""
        new = (
            list(self.windows)[max(0, len(self.windows) - (self.n_windows - n_windows)) :]
            if self.n_windows > n_windows
            else []
        )
        news: News = {}
        if new:
            columns = b"".join(column for *_, column in new)
            news = {"windows": [window[:3] for window in new], "columns": _text(columns)}
            news |= {"residual": _text(self._residual), "minute": _minute(self.minutes[-1])}
        if self.changes != changes:
            events = [{**event, "clip": event["clip"] is not None} for event in self.events]
            news |= {"events": events, "gap_list": list(self.gaps)}
        return news


class History(Sink[Line]):
    """The sink of `--page`, and what its viewers read."""

    name = "page"

    def __init__(self) -> None:
        self._tracks: dict[tuple[str | None, str], Track] = {}
        self._lock = Lock()

    def wants(self, line: Line) -> bool:
        return not isinstance(line, RunLine) or is_about_source(line)

    def deliver(self, line: Line) -> None:
        key = (line.machine, line.source)
        with self._lock:
            if key not in self._tracks and len(self._tracks) < MAX_SOURCES:
                self._tracks[key] = Track(Latest(line.source, line.machine))
            if key in self._tracks:
                self._tracks[key].hear(line)

    def close(self) -> None:
        """Nothing to give back: the history stays until the process ends."""

    def clip(self, source: int, event: int) -> str | None:
        """The path of what an event of the ``source``-th source sounded like, if that was kept."""
        with self._lock:
            tracks = list(self._tracks.values())
            return tracks[source].clip(event) if 0 <= source < len(tracks) else None


class Viewer:
    """What one page has received so far: all of one source, and the state of the others."""

    def __init__(self, history: History, source: int) -> None:
        self._history = history
        self._source = source
        self._asked = self._heard = 0
        self._changes: dict[int, int] = {}

    def news(self) -> News:
        """What came since the last call; at first, the past."""
        with self._history._lock:
            tracks = list(self._history._tracks.values())
            news: News = {"now": _now(), "clock": round(time.time() * 1000), "sources": {}}
            if self._source < len(tracks):
                news |= self._of(tracks[self._source])
            for k, track in enumerate(tracks):
                if (
                    k == self._source
                    or self._asked % OTHERS == 0
                    or track.changes != self._changes.get(k)
                ):
                    news["sources"][k] = track.state()
                self._changes[k] = track.changes
        self._asked += 1
        return news

    def _of(self, track: Track) -> News:
        first = self._source not in self._changes
        news = track.past() if first else track.since(self._heard, self._changes[self._source])
        self._heard = track.n_windows
        return {**news, "looked_at": self._source} if first else news


def _now(age: float = 0.0) -> int:
    """Milliseconds of the monotonic clock, ``age`` seconds ago."""
    return round(1000 * (time.monotonic() - age))


def _minute(minute: list[float]) -> list[float]:
    """When it began, its least, mean and most score."""
    at, least, total, most, windows = minute
    return [at, round(least, 2), round(total / windows, 2), round(most, 2)]


def _text(value: Any) -> Any:
    return b64encode(value).decode() if isinstance(value, bytes) else value
