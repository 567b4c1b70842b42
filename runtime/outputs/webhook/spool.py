"""Lines that wait until they can be sent: in a folder, where they survive kill -9 and restarts,
or in memory.

    FOLDER/events.sqlite3           the lines; SQLite keeps its -wal and -shm beside it
    FOLDER/events.sqlite3.damaged   a database that could not be read, set aside
    FOLDER/line-40.damaged          a line that was damaged in the database, set aside

Beyond the limit the oldest is dropped. While the folder cannot be written (a full disk) lines
wait in memory.
"""

import fcntl
import json
import os
from contextlib import suppress
from errno import EACCES
from itertools import islice
from pathlib import Path
from threading import Lock

import click

from ...errors import ConfigError
from ...system.files import replace_file
from ..database import DamagedError, DatabaseError, DiskError, set_aside
from .line_database import LineDatabase

FILE_NAME = "events.sqlite3"


class Spool:
    """At most ``limit`` lines. ConfigError for a folder that cannot be used."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        if limit < 1:
            raise ConfigError(f"a spool for {limit} lines holds none; give 1 or more")
        self.lost = 0  # lines that were dropped or are damaged; a damaged database is at least one
        self.trouble: str | None = None  # why the folder is not used
        self._folder = folder
        self._limit = limit
        self._lock = Lock()
        self._held: int | None = None  # a descriptor of the folder, with a lock on it
        self._database: LineDatabase | None = None  # None without a folder, or while it fails
        # By number, the oldest first: the line, or its row in the database.
        self._waiting: dict[int, bytes | int] = {}
        self._number = 0  # of the newest line
        if folder:
            self._begin(folder)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def n_in_memory(self) -> int:
        """How many of the lines are in no file."""
        with self._lock:
            return sum(isinstance(stored, bytes) for stored in self._waiting.values())

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit

    def put(self, line: bytes) -> None:
        with self._lock:
            self._find_database()
            self._number += 1
            self._waiting[self._number] = self._store(line)
            self._drop()

    def oldest(self) -> tuple[int, bytes] | None:
        """The number of the line to send next, and the line."""
        with self._lock:
            while self._waiting:
                number, stored = next(iter(self._waiting.items()))
                line = self._read(stored) if isinstance(stored, int) else stored
                if line is not None:
                    return number, line
                if number in self._waiting:  # else it was lost with the database
                    del self._waiting[number]
                    self.lost += 1
            return None

    def remove(self, number: int) -> None:
        """The oldest line was sent; nothing if it was dropped meanwhile."""
        with self._lock:
            stored = self._waiting.pop(number, None)
            if isinstance(stored, int):
                self._delete_through(stored)

    def close(self) -> None:
        """What waits in memory is lost."""
        with self._lock:
            self.lost += sum(isinstance(stored, bytes) for stored in self._waiting.values())
            self._waiting.clear()
            self._close_database()
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _begin(self, folder: Path) -> None:
        """Lock the folder and find what waits since the last time."""
        try:
            folder.mkdir(exist_ok=True)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
            self._held = locked(folder)
            self._open_database(folder / FILE_NAME)
        except BlockingIOError as error:
            raise ConfigError(
                f"{folder}: another process keeps its lines there; name another folder"
            ) from error
        except DiskError as error:  # there may be room later
            self.trouble = _unwritable(folder, error)
        except (OSError, DatabaseError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"{folder}: cannot keep lines ({reason}); name another folder"
            ) from error
        self._drop()

    def _find_database(self) -> None:
        """Open the database if somebody moved or deleted it, or if it could not be opened."""
        if self._folder is None or self._held is None:
            return
        if self._database and not self._database.is_in_place():
            self._lose_database()
        if self._database:
            return
        try:
            self._open_database(self._folder / FILE_NAME)
        except DatabaseError as error:
            self.trouble = _unwritable(self._folder, error)

    def _open_database(self, path: Path) -> None:
        """Open the database and take over the lines in it; a new one if it is damaged."""
        try:
            self._database = LineDatabase(path)
            rows = self._database.rows()
        except DamagedError:
            self._replace_database(path)
            self.lost += 1
            return
        stored: dict[int, bytes | int] = {}
        for row in rows:
            self._number += 1
            stored[self._number] = row
        self._waiting = stored | self._waiting  # what waits in memory is newer

    def _replace_database(self, path: Path) -> None:
        """Set a damaged database aside and begin a new one; DatabaseError if that fails."""
        self._lose_database()
        self.trouble = f"{path}: was damaged and is now {set_aside(path).name}"
        click.echo(f"edgeae: webhook: {self.trouble}", err=True)
        self._database = LineDatabase(path)

    def _lose_database(self) -> None:
        """Close the database; the lines in it are lost."""
        self._close_database()
        in_memory = {n: line for n, line in self._waiting.items() if isinstance(line, bytes)}
        self.lost += len(self._waiting) - len(in_memory)
        self._waiting = {**in_memory}

    def _close_database(self) -> None:
        if self._database:
            with suppress(DatabaseError):  # each line is on the disk without an orderly end
                self._database.close()
            self._database = None

    def _drop(self) -> None:
        """Drop the oldest lines beyond the limit."""
        n_excess = max(0, len(self._waiting) - self._limit)
        excess = list(islice(self._waiting, n_excess))
        dropped = [self._waiting.pop(number) for number in excess]
        self.lost += n_excess
        rows = [stored for stored in dropped if isinstance(stored, int)]
        if rows:
            self._delete_through(rows[-1])

    def _store(self, line: bytes) -> int | bytes:
        """Put a line into the database: its row, or the line if it has to wait in memory."""
        if self._database is None:
            return line
        try:
            try:
                row = self._database.insert(line)
                self.trouble = None
            except DamagedError:
                self._replace_database(self._database.path)
                row = self._database.insert(line)
        except DatabaseError as error:
            self.trouble = _unwritable(self._folder, error)
            return line
        return row

    def _read(self, row: int) -> bytes | None:
        """A line of the database; None if it is gone or damaged."""
        if self._database is None:
            return None
        try:
            line = self._database.line(row)
        except DatabaseError as error:
            self._report_unreadable(self._database.path, error)
            return None
        if line is not None and not is_json(line):
            self._set_line_aside(self._database.path.with_name(f"line-{row}.damaged"), line)
            return None
        return line

    def _report_unreadable(self, path: Path, error: DatabaseError) -> None:
        self.trouble = f"{path}: a line cannot be read ({error}); it was dropped"
        if isinstance(error, DamagedError):
            try:
                self._replace_database(path)
            except DatabaseError as failure:
                self.trouble = _unwritable(self._folder, failure)

    def _set_line_aside(self, path: Path, line: bytes) -> None:
        try:
            replace_file(path, line)
        except OSError as error:
            self.trouble = f"{path}: a damaged line cannot be kept there ({error.strerror})"
        else:
            self.trouble = f"{path}: this line was damaged in {FILE_NAME}"

    def _delete_through(self, row: int) -> None:
        """Delete the lines up to a row, with those that could not be deleted before."""
        if self._database is None:
            return
        try:
            self._database.delete_through(row)
        except DatabaseError as error:
            self.trouble = (
                f"{self._database.path}: a line cannot be deleted ({error}) and may be sent again"
            )


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def locked(folder: Path) -> int:
    """A descriptor that keeps others out of a folder while it is open; BlockingIOError if one is
    there."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def _unwritable(folder: Path | None, error: DatabaseError) -> str:
    return f"{folder}: cannot be written ({error}); lines wait in memory"
