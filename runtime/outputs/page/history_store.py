"""Turns the lines of all sources into the events and minutes of a `HistoryDatabase`.

    lines --outbox--> deliver --> events: at once     --+--> FILE, bounded in days and bytes
                              --> minutes: together    --+

It is a sink of its own beside that of the live page, so that a slow disk delays neither the page
nor the scoring. A file that is damaged is set aside, and a new one begins. While a file cannot be
used, the history is kept in memory; each flush tries the file again and moves the history into it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

import click

from ...errors import ConfigError
from ...monitoring.states import SOUND_STATES
from ...system.clock import synced
from ...system.files import FileLock, lock_named
from ..database import DamagedError, DatabaseError, DiskError, set_aside
from ..latest import CAPTURE_STATES
from ..lines import PROGRAM, EventLine, Line, RunLine, ScoreLine, StatusLine
from ..sink import Sink
from .history_database import (
    ChartFilter,
    EventFilter,
    EventKind,
    HistoryDatabase,
    NewEvent,
    StoredEvent,
    StoredMinute,
    StoredSource,
    Verdict,
)
from .source_history import MILLISECONDS_PER_MINUTE, MinutePoint

MEGABYTE = 10**6
MS_PER_DAY = 86_400_000
FAILED_STATES = ("waiting", "lost", "stalled")  # of the capture


@dataclass(frozen=True)
class HistoryLimits:
    """What the history keeps."""

    days: float = 90.0
    megabytes: float = 50.0
    max_events: int = 20_000
    flush_seconds: float = 600.0  # between two writes of minutes


DEFAULT_LIMITS = HistoryLimits()


class HistoryStore(Sink[Line]):
    """The sink; the threads of the page's requests read it, and store what people say."""

    name = "history"

    def __init__(
        self,
        path: Path | None = None,
        limits: HistoryLimits = DEFAULT_LIMITS,
        clock_is_right: Callable[[], bool | None] = synced,
    ) -> None:
        """Open the file; path: None: memory. ConfigError for one that cannot be used.

        clock_is_right: True while the clock is synchronised; only then the age of an event counts.
        """
        self.path = path
        self.limits = limits
        self._clock_is_right = clock_is_right
        self._trouble: str | None = None
        self._lock: FileLock | None = None
        self._source_ids: dict[tuple[str, str], int] = {}
        self._open_events: dict[tuple[int, EventKind], int] = {}
        self._sound_states: dict[int, str] = {}  # by source
        self._minutes: dict[int, MinutePoint] = {}  # that are not over, by source
        self._finished_minutes: list[StoredMinute] = []
        self._flushed_at = time.monotonic()
        self._revision = 0
        self._revision_lock = Lock()
        if path is not None:
            self._lock = lock_named("--page-history", path)
        try:
            self._database = self._opened(is_start=True)
        except BaseException:
            self._release()
            raise

    @property
    def trouble(self) -> str | None:
        """Why the file is not used; None if it is."""
        return self._trouble

    @property
    def revision(self) -> int:
        """A number that changes with the events."""
        return self._revision

    @property
    def is_lasting(self) -> bool:
        """True if the history survives a restart."""
        return self._database.path is not None

    def wants(self, line: Line) -> bool:
        return isinstance(line, ScoreLine | EventLine | StatusLine)

    def deliver(self, line: Line) -> None:
        """Store what a line changes; DatabaseError if that fails."""
        if not isinstance(line, RunLine) or line.source == PROGRAM:
            return
        if not self._database.is_in_place():
            self._replace("was moved or deleted")
        try:
            self._store(line)
        except DamagedError as error:
            self._set_aside(error)
            self._store(line)

    def close(self) -> None:
        """Store the minutes that wait. Requests may still read."""
        self._finished_minutes += [_stored(*item) for item in self._minutes.items()]
        self._minutes.clear()
        try:
            self._flush()
            self._database.interrupt_events()
        finally:
            self._release()

    # --- For the requests of the page ---

    def events(self, wanted: EventFilter, limit: int) -> list[StoredEvent]:
        return self._database.events(wanted, limit)

    def event(self, event_id: int) -> StoredEvent | None:
        return self._database.event(event_id)

    def last_alarm(self, source: str, machine: str | None) -> StoredEvent | None:
        """The newest alarm of a source; None if there is none."""
        for stored in self._database.sources():
            if (stored.source, stored.machine) == (source, machine or ""):
                wanted = EventFilter(source_id=stored.id, kind="alarm")
                return next(iter(self._database.events(wanted, 1)), None)
        return None

    def sources(self) -> list[StoredSource]:
        return self._database.sources()

    def scores(
        self, source: str, machine: str | None, chart: ChartFilter
    ) -> list[tuple[int, float, float, float]]:
        """The points of a chart, see `HistoryDatabase.scores`."""
        for stored in self._database.sources():
            if (stored.source, stored.machine) == (source, machine or ""):
                return self._database.scores(stored.id, chart)
        return []

    def judge(self, event_id: int, verdict: Verdict | None) -> bool:
        """Store what a person says about an event; False if there is none."""
        return self._changed(self._database.judge(event_id, verdict, _now_ms()))

    def acknowledge(self, event_id: int, *, is_seen: bool) -> bool:
        """Store that a person has seen an event, or not; False if there is none."""
        at = _now_ms() if is_seen else None
        return self._changed(self._database.acknowledge(event_id, at))

    # --- Lines ---

    def _store(self, line: RunLine) -> None:
        time_ms = _time_ms(line)
        source_id = self._source_id(line)
        if isinstance(line, ScoreLine):
            self._add_score(source_id, time_ms, line.score)
        elif isinstance(line, EventLine):
            self._add_alarm(source_id, time_ms, line)
        elif isinstance(line, StatusLine):
            self._add_status(source_id, time_ms, line)
        if time.monotonic() - self._flushed_at >= self.limits.flush_seconds:
            self._flush()

    def _source_id(self, line: RunLine) -> int:
        key = (line.source, line.machine or "")
        if key not in self._source_ids:
            self._source_ids[key] = self._database.source_id(*key)
        return self._source_ids[key]

    def _add_score(self, source_id: int, time_ms: int, score: float) -> None:
        minute = self._minutes.get(source_id)
        if minute is not None and minute.number != time_ms // MILLISECONDS_PER_MINUTE:
            self._finished_minutes.append(_stored(source_id, minute))
            minute = None
        if minute is None:
            minute = MinutePoint(time_ms, lowest=score, highest=score)
            self._minutes[source_id] = minute
        minute.add(score)

    def _add_alarm(self, source_id: int, time_ms: int, line: EventLine) -> None:
        kind: EventKind = "burst" if line.kind == "burst" else "alarm"
        event_id = self._open_events.get((source_id, kind))
        is_new = line.phase in ("start", "burst") or event_id is None
        if event_id is None or is_new:
            new = NewEvent(
                source_id,
                kind,
                start_ms=time_ms - round(1000 * line.duration),
                updated_ms=time_ms,
                end_ms=time_ms if line.phase == "burst" else None,
                sentence=line.sentence,
                cause=line.cause,
                peak=line.peak,
                clip=line.clip.path if line.clip else None,
                synced=line.synced,
            )
            event_id = self._begin(new)
        if not is_new or line.phase == "end":
            self._database.update_event(
                event_id, now_ms=time_ms, peak=line.peak, cause=line.cause, sentence=line.sentence
            )
        if line.phase == "end":
            # The duration is that of the sound, whatever became of the clock meanwhile.
            event = self._database.event(event_id)
            start_ms = event.start_ms if event else time_ms
            self._end(source_id, kind, start_ms + round(1000 * line.duration))
        self._changed(True)

    def _add_status(self, source_id: int, time_ms: int, line: StatusLine) -> None:
        if line.state in CAPTURE_STATES:
            is_failed = line.state in FAILED_STATES
            self._set_condition(source_id, "microphone", time_ms, line, is_bad=is_failed)
        elif line.state in SOUND_STATES:
            if self._sound_states.get(source_id) != line.state:
                self._end(source_id, "sound", time_ms)
            self._sound_states[source_id] = line.state
            is_bad = line.state != "ok"
            self._set_condition(source_id, "sound", time_ms, line, is_bad=is_bad)

    def _set_condition(
        self, source_id: int, kind: EventKind, time_ms: int, line: StatusLine, *, is_bad: bool
    ) -> None:
        """Begin, continue or end the event of a state that lasts."""
        event_id = self._open_events.get((source_id, kind))
        sentence = line.sentence or line.state
        if not is_bad:
            self._end(source_id, kind, time_ms)
        elif event_id is None:
            event = NewEvent(
                source_id,
                kind,
                start_ms=time_ms,
                updated_ms=time_ms,
                sentence=sentence,
                cause="microphone",
                synced=line.synced,
            )
            self._begin(event)
        else:
            self._database.update_event(
                event_id, now_ms=time_ms, peak=None, cause="microphone", sentence=sentence
            )
            self._changed(True)

    def _begin(self, event: NewEvent) -> int:
        if event.end_ms is None:
            self._end(event.source_id, event.kind, event.start_ms)
        event_id = self._database.add_event(event)
        if event.end_ms is None:
            self._open_events[event.source_id, event.kind] = event_id
        self._changed(True)
        return event_id

    def _end(self, source_id: int, kind: EventKind, time_ms: int) -> None:
        event_id = self._open_events.pop((source_id, kind), None)
        if event_id is not None:
            self._database.end_event(event_id, time_ms)
            self._changed(True)

    def _changed(self, is_changed: bool) -> bool:
        with self._revision_lock:
            self._revision += is_changed
        return is_changed

    # --- The file ---

    def _flush(self) -> None:
        """Write the minutes that are over, and delete what is too old or too much."""
        self._flushed_at = time.monotonic()
        self._limit()
        self._database.add_minutes(self._finished_minutes)
        self._finished_minutes = []
        if self.path is not None and not self.is_lasting:
            self._return_to_file()
        elif self.is_lasting:
            self._trouble = None

    def _limit(self) -> None:
        limits = self.limits
        if self._clock_is_right():
            self._database.delete_before(_now_ms() - round(limits.days * MS_PER_DAY))
        n_excess = self._database.n_events() - limits.max_events
        if n_excess > 0:
            self._database.delete_oldest(n_excess, 0)
        if self._database.used_bytes() > 0.9 * limits.megabytes * MEGABYTE:
            self._database.delete_oldest(
                self._database.n_events() // 5, self._database.n_minutes() // 5
            )
            self._changed(True)

    def _opened(self, *, is_start: bool) -> HistoryDatabase:
        """The file; memory if it fails. ConfigError at the start for one that cannot be used."""
        try:
            database = self._database_at(self.path)
        except DamagedError as error:
            database = self._renewed(error)
        except (DatabaseError, OSError) as error:
            if is_start and not isinstance(error, DiskError):
                raise ConfigError(
                    f"--page-history {self.path}: cannot be used ({error}); name another file"
                ) from error
            self._trouble = f"{self.path}: cannot be written ({error}); events are kept in memory"
            click.echo(f"edgeae: history: {self._trouble}", err=True)
            database = self._database_at(None)
        database.interrupt_events()
        return database

    def _database_at(self, path: Path | None) -> HistoryDatabase:
        """A file, or memory, that never becomes larger than allowed."""
        database = HistoryDatabase(path)
        try:
            database.limit_bytes(self.limits.megabytes * MEGABYTE)
        except BaseException:
            database.close()
            raise
        return database

    def _renewed(self, error: DamagedError) -> HistoryDatabase:
        """Set the damaged file aside; a new database, in memory if that fails."""
        if self.path is None:
            return self._database_at(None)
        try:
            aside = set_aside(self.path)
            database = self._database_at(self.path)
        except DatabaseError as failure:
            self._trouble = f"{failure}; events are kept in memory"
            database = self._database_at(None)
        else:
            self._trouble = f"{self.path}: was damaged ({error}) and is now {aside.name}"
        click.echo(f"edgeae: history: {self._trouble}", err=True)
        return database

    def _set_aside(self, error: DamagedError) -> None:
        """The database is damaged while it is used: begin a new one."""
        self._close_database()
        self._database = self._renewed(error)
        self._forget()

    def _replace(self, reason: str) -> None:
        self._close_database()
        self._database = self._opened(is_start=False)
        if self.is_lasting:
            self._trouble = f"{self.path}: {reason}; a new one was begun"
        self._forget()

    def _return_to_file(self) -> None:
        """Move what memory holds into the file, if that can be used again."""
        try:
            file = self._database_at(self.path)
        except (DatabaseError, OSError):
            return
        try:
            file.interrupt_events()
            event_ids = self._database.copy_to(file)
            source_ids = {key: file.source_id(*key) for key in self._source_ids}
        except DatabaseError:
            with suppress(DatabaseError):
                file.close()
            return
        memory = self._database
        new_ids = {old: source_ids[key] for key, old in self._source_ids.items()}
        self._database = file
        self._trouble = None
        self._source_ids = source_ids
        self._open_events = {
            (new_ids[source_id], kind): event_ids[event_id]
            for (source_id, kind), event_id in self._open_events.items()
        }
        self._sound_states = {new_ids[old]: state for old, state in self._sound_states.items()}
        self._minutes = {new_ids[old]: minute for old, minute in self._minutes.items()}
        self._changed(True)
        with suppress(DatabaseError):
            memory.close()

    def _close_database(self) -> None:
        # What it holds is set aside.
        with suppress(DatabaseError):
            self._database.close()

    def _forget(self) -> None:
        """Forget what referred to rows of an earlier file."""
        self._source_ids.clear()
        self._open_events.clear()
        self._sound_states.clear()
        self._minutes.clear()
        self._finished_minutes.clear()
        self._changed(True)

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None


def _stored(source_id: int, minute: MinutePoint) -> StoredMinute:
    return StoredMinute(
        source_id,
        minute.number,
        lowest=round(minute.lowest, 2),
        mean=round(minute.mean, 2),
        highest=round(minute.highest, 2),
        n_windows=minute.n_windows,
    )


def _time_ms(line: RunLine) -> int:
    return round(1000 * datetime.fromisoformat(line.time).timestamp()) if line.time else _now_ms()


def _now_ms() -> int:
    return round(1000 * time.time())
