"""Days of events and scores in SQLite, or in memory if there is no file.

    sources   a microphone or a pipe, and the machine that it listens to
    events    alarms, bursts, a microphone that was lost, sound that could not be judged
    minutes   lowest, mean and highest score of each minute, and its number of windows

Times are milliseconds since 1970, UTC. Each change of an event is on the disk when its method
returns; a power cut leaves the state before a change or after it (write-ahead log, synchronous
FULL). Minutes are few and written together, so that they do not wear out an SD card.

Methods may raise a DatabaseError. The database may be used from several threads.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Literal, NamedTuple

from ..database import DamagedError, DatabaseError, database_errors

APPLICATION_ID = 0x65644831  # "edH1", in the header of the file
FORMAT = 2  # PRAGMA user_version; 1: minutes have no n_windows
EventKind = Literal["alarm", "burst", "microphone", "sound"]
EVENT_KINDS: tuple[EventKind, ...] = ("alarm", "burst", "microphone", "sound")
Verdict = Literal["normal", "fault"]
VERDICTS: tuple[Verdict, ...] = ("normal", "fault")

_TABLES = (
    "CREATE TABLE IF NOT EXISTS sources (id INTEGER PRIMARY KEY, source TEXT NOT NULL,"
    " machine TEXT NOT NULL, UNIQUE (source, machine))",
    "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source_id INTEGER NOT NULL, kind TEXT NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER,"
    " updated_ms INTEGER NOT NULL, interrupted INTEGER NOT NULL DEFAULT 0, peak REAL,"
    " cause TEXT NOT NULL, sentence TEXT NOT NULL, clip TEXT, synced INTEGER, verdict TEXT,"
    " verdict_ms INTEGER, acknowledged_ms INTEGER)",
    "CREATE INDEX IF NOT EXISTS events_by_start ON events (start_ms)",
    "CREATE TABLE IF NOT EXISTS minutes (source_id INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " lowest REAL NOT NULL, mean REAL NOT NULL, highest REAL NOT NULL,"
    " n_windows INTEGER NOT NULL DEFAULT 1,"
    " PRIMARY KEY (source_id, minute)) WITHOUT ROWID",
)
_EVENT_VALUES = (
    "kind, start_ms, end_ms, updated_ms, interrupted, peak, cause, sentence, clip, synced, verdict,"
    " verdict_ms, acknowledged_ms"
)
_EVENT_COLUMNS = (
    "events.id, source_id, source, machine, kind, start_ms, end_ms, updated_ms, interrupted, peak,"
    " cause, sentence, clip, synced, verdict, verdict_ms, acknowledged_ms"
)
_EVENTS = f"SELECT {_EVENT_COLUMNS} FROM events JOIN sources ON sources.id = source_id"


class StoredSource(NamedTuple):
    """A source."""

    id: int
    source: str
    machine: str  # "": none


class StoredEvent(NamedTuple):
    """An event."""

    id: int
    source_id: int
    source: str
    machine: str  # "": none
    kind: str  # one of EVENT_KINDS
    start_ms: int
    end_ms: int | None  # None: it goes on
    updated_ms: int
    interrupted: int  # 1: edgeae ended before the event did
    peak: float | None  # highest score
    cause: str
    sentence: str
    clip: str | None  # path of its sound
    synced: int | None  # 0: the clock was not set, so that the times may be wrong
    verdict: str | None  # one of VERDICTS
    verdict_ms: int | None
    acknowledged_ms: int | None


class StoredMinute(NamedTuple):
    """The scores of one minute of a source."""

    source_id: int
    minute: int  # since 1970
    lowest: float
    mean: float
    highest: float
    n_windows: int = 1


@dataclass(frozen=True)
class NewEvent:
    """An event that begins."""

    source_id: int
    kind: EventKind
    start_ms: int
    updated_ms: int
    sentence: str
    cause: str = "machine"
    peak: float | None = None
    clip: str | None = None
    synced: bool | None = None
    end_ms: int | None = None


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; None: any."""

    source_id: int | None = None
    kind: str | None = None
    since_ms: int | None = None  # that had not ended before
    before_id: int | None = None  # of an earlier page of results
    is_open: bool = False  # neither acknowledged nor judged by a person


@dataclass(frozen=True)
class ChartFilter:
    """Which minutes of a source a chart shows; the newest points if there are too many."""

    since_minute: int = 0  # since 1970
    until_minute: int = 1 << 40
    minutes_per_point: int = 1
    max_points: int = 10_000


class HistoryDatabase:
    """The tables. DamagedError for a file that is not such a database."""

    def __init__(self, path: Path | None) -> None:
        """path: None: in memory."""
        import sqlite3  # costs a megabyte, so that only a page imports it

        self.path = path
        self._lock = RLock()
        if path is not None and path.exists() and not path.is_file():
            raise DatabaseError(f"{path}: it is not a file")
        with database_errors():
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False
            )
        try:
            with database_errors():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        with self._lock, database_errors():
            self._connection.close()

    def copy_to(self, other: "HistoryDatabase") -> dict[int, int]:
        """Add what is here to another database, which gives each event a new number.

        Returns the new numbers by the old ones. After an error the other database is as before.
        """
        event_ids = {}
        with self._lock, other.transaction():
            source_ids = {
                int(number): other.source_id(source, machine)
                for number, source, machine in self._rows("SELECT id, source, machine FROM sources")
            }
            for number, source_id, *values in self._rows(
                f"SELECT id, source_id, {_EVENT_VALUES} FROM events ORDER BY id"
            ):
                places = ", ".join("?" * len(values))
                event_ids[int(number)] = other._execute(
                    f"INSERT INTO events (source_id, {_EVENT_VALUES}) VALUES (?, {places})",
                    source_ids[source_id],
                    *values,
                )
            for source_id, *scores in self._rows(
                "SELECT source_id, minute, lowest, mean, highest, n_windows FROM minutes"
            ):
                other._add_minute(StoredMinute(source_ids[source_id], *scores))
        return event_ids

    def transaction(self) -> AbstractContextManager[object]:
        """Several changes that are on the disk all together, or not at all."""
        return _Transaction(self)

    # --- Sources ---

    def source_id(self, source: str, machine: str) -> int:
        """The number of a source; it is added if it is new."""
        self._execute(
            "INSERT OR IGNORE INTO sources (source, machine) VALUES (?, ?)", source, machine
        )
        [row] = self._rows(
            "SELECT id FROM sources WHERE source = ? AND machine = ?", source, machine
        )
        return int(row[0])

    def sources(self) -> list[StoredSource]:
        """The sources that have events or scores, by name."""
        return [
            StoredSource(*row)
            for row in self._rows(
                "SELECT id, source, machine FROM sources"
                " WHERE EXISTS (SELECT 1 FROM events WHERE source_id = sources.id)"
                " OR EXISTS (SELECT 1 FROM minutes WHERE source_id = sources.id)"
                " ORDER BY machine, source"
            )
        ]

    # --- Events ---

    def add_event(self, event: NewEvent) -> int:
        """Store an event; returns its number."""
        return self._execute(
            "INSERT INTO events (source_id, kind, start_ms, end_ms, updated_ms, peak, cause,"
            " sentence, clip, synced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            event.source_id,
            event.kind,
            event.start_ms,
            event.end_ms,
            event.updated_ms,
            event.peak,
            event.cause,
            event.sentence,
            event.clip,
            event.synced,
        )

    def update_event(
        self, event_id: int, *, now_ms: int, peak: float | None, cause: str, sentence: str
    ) -> None:
        """Set what is known of an event that goes on."""
        self._execute(
            "UPDATE events SET updated_ms = ?, peak = ?, cause = ?, sentence = ? WHERE id = ?",
            now_ms,
            peak,
            cause,
            sentence,
            event_id,
        )

    def end_event(self, event_id: int, end_ms: int) -> None:
        """An event has ended."""
        self._execute(
            "UPDATE events SET end_ms = max(?, start_ms), updated_ms = ? WHERE id = ?",
            end_ms,
            end_ms,
            event_id,
        )

    def interrupt_events(self) -> None:
        """End all events that go on: nobody listened after their last update."""
        self._execute(
            "UPDATE events SET end_ms = max(updated_ms, start_ms), interrupted = 1"
            " WHERE end_ms IS NULL"
        )

    def judge(self, event_id: int, verdict: Verdict | None, now_ms: int) -> bool:
        """Store what a person says about an event; False if there is none."""
        at = None if verdict is None else now_ms
        query = "UPDATE events SET verdict = ?, verdict_ms = ? WHERE id = ?"
        return self._changes(query, verdict, at, event_id) > 0

    def acknowledge(self, event_id: int, now_ms: int | None) -> bool:
        """Store that a person has seen an event; None: take it back. False if there is none."""
        query = "UPDATE events SET acknowledged_ms = ? WHERE id = ?"
        return self._changes(query, now_ms, event_id) > 0

    def event(self, event_id: int) -> StoredEvent | None:
        """One event."""
        rows = self._rows(f"{_EVENTS} WHERE events.id = ?", event_id)
        return StoredEvent(*rows[0]) if rows else None

    def events(self, wanted: EventFilter, limit: int) -> list[StoredEvent]:
        """The newest events that fit a filter, the newest first."""
        conditions = ["1"]
        values: list[int | str] = []
        for condition, value in (
            ("source_id = ?", wanted.source_id),
            ("kind = ?", wanted.kind),
            ("coalesce(end_ms, updated_ms) >= ?", wanted.since_ms),
            ("events.id < ?", wanted.before_id),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if wanted.is_open:
            conditions.append("acknowledged_ms IS NULL AND verdict IS NULL")
        query = f"{_EVENTS} WHERE {' AND '.join(conditions)} ORDER BY events.id DESC LIMIT ?"
        return [StoredEvent(*row) for row in self._rows(query, *values, limit)]

    def n_events(self) -> int:
        return int(self._rows("SELECT count(*) FROM events")[0][0])

    # --- Minutes ---

    def add_minutes(self, minutes: Sequence[StoredMinute]) -> None:
        """Store the scores of minutes; a minute that is there is joined with its new part."""
        with self.transaction():
            for minute in minutes:
                self._add_minute(minute)

    def _add_minute(self, minute: StoredMinute) -> None:
        # Right of "=" a column has its earlier value.
        self._execute(
            "INSERT INTO minutes (source_id, minute, lowest, mean, highest, n_windows)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET lowest = min(lowest, excluded.lowest),"
            " mean = (mean * n_windows + excluded.mean * excluded.n_windows)"
            " / (n_windows + excluded.n_windows),"
            " highest = max(highest, excluded.highest),"
            " n_windows = n_windows + excluded.n_windows",
            *minute,
        )

    def scores(self, source_id: int, chart: ChartFilter) -> list[tuple[int, float, float, float]]:
        """Minute, lowest, mean and highest score of each point of a chart, the oldest first."""
        rows = self._rows(
            "SELECT minute / ?1 * ?1, min(lowest), sum(mean * n_windows) / sum(n_windows),"
            " max(highest) FROM minutes"
            " WHERE source_id = ?2 AND minute >= ?3 AND minute <= ?4"
            " GROUP BY minute / ?1 ORDER BY minute / ?1 DESC LIMIT ?5",
            chart.minutes_per_point,
            source_id,
            chart.since_minute,
            chart.until_minute,
            chart.max_points,
        )
        return [(int(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in rows[::-1]]

    # --- Limits ---

    def delete_before(self, time_ms: int) -> None:
        """Delete events that ended before a time, and older minutes."""
        with self.transaction():
            self._execute("DELETE FROM events WHERE end_ms < ?", time_ms)
            self._execute("DELETE FROM minutes WHERE minute < ?", time_ms // 60_000)

    def delete_oldest(self, n_events: int, n_minutes: int) -> None:
        """Delete the oldest events, of those that have ended, and the oldest minutes."""
        with self.transaction():
            self._execute(
                "DELETE FROM events WHERE id IN"
                " (SELECT id FROM events WHERE end_ms IS NOT NULL ORDER BY id LIMIT ?)",
                n_events,
            )
            self._execute(
                "DELETE FROM minutes WHERE (source_id, minute) IN"
                " (SELECT source_id, minute FROM minutes ORDER BY minute LIMIT ?)",
                n_minutes,
            )

    def n_minutes(self) -> int:
        return int(self._rows("SELECT count(*) FROM minutes")[0][0])

    def used_bytes(self) -> int:
        """Bytes of the file in use; deleted rows leave room that is used again."""
        with self._lock, database_errors():
            (n_pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            (n_free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int((n_pages - n_free) * page_bytes)

    def limit_bytes(self, n_bytes: float) -> None:
        """Let the file never become larger."""
        with self._lock, database_errors():
            (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
            n_pages = max(16, int(n_bytes / page_bytes))
            self._connection.execute(f"PRAGMA max_page_count = {n_pages}")

    def is_in_place(self) -> bool:
        """False if somebody moved or deleted the file: nobody would find an event there."""
        if self.path is None:
            return True
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def _prepare(self) -> None:
        execute = self._connection.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (n_tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if n_tables and application != APPLICATION_ID:
            raise DatabaseError(f"{self.path}: it is a database of another program")
        (version,) = execute("PRAGMA user_version").fetchone()
        if n_tables and version not in (1, FORMAT):
            raise DamagedError(f"it has format {version}, and this edgeae reads {FORMAT}")
        execute("PRAGMA synchronous = FULL")
        execute("BEGIN")
        if n_tables and version == 1:
            execute("ALTER TABLE minutes ADD COLUMN n_windows INTEGER NOT NULL DEFAULT 1")
        for table in _TABLES:
            execute(table)
        execute(f"PRAGMA application_id = {APPLICATION_ID}")
        execute(f"PRAGMA user_version = {FORMAT}")
        execute("COMMIT")
        # Only now, so that the tables lie in the file and a full log can be moved into it.
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA journal_size_limit = 1000000")
        (finding,) = execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise DamagedError(finding)
        # Raises "no such column" if the tables are of another shape.
        execute(f"{_EVENTS} LIMIT 1").fetchone()
        execute(
            "SELECT source_id, minute, lowest, mean, highest, n_windows FROM minutes LIMIT 1"
        ).fetchone()
        self._inode = self.path.stat().st_ino if self.path else 0

    def _execute(self, statement: str, *values: object) -> int:
        """Execute a statement; returns the row that it inserted."""
        with self._lock, database_errors():
            return self._connection.execute(statement, values).lastrowid or 0

    def _changes(self, statement: str, *values: object) -> int:
        """Execute a statement; returns how many rows it changed."""
        with self._lock, database_errors():
            return self._connection.execute(statement, values).rowcount

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, database_errors():
            return self._connection.execute(query, values).fetchall()


class _Transaction:
    """A transaction, during which no other thread uses the database."""

    def __init__(self, database: HistoryDatabase) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database._lock.acquire()
        try:
            self._database._execute("BEGIN")
        except BaseException:
            self._database._lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._database._execute("COMMIT")
        finally:
            # A commit that failed, on a full disk, may leave the transaction open.
            if self._database._connection.in_transaction:
                with suppress(DatabaseError):
                    self._database._execute("ROLLBACK")
            self._database._lock.release()
