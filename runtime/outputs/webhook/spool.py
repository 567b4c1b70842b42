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
from ...system.atomic_file import replace_file
from .line_database import DamagedError, DatabaseError, DiskError, LineDatabase, set_aside

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
        # By number, the oldest first; None where the database holds the line.
        self._waiting: dict[int, bytes | None] = {}
        self._number = 0  # of the newest line
        if folder:
            self._begin(folder)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit

    def put(self, line: bytes) -> None:
        with self._lock:
            self._find_database()
            self._number += 1
            is_stored = self._store(line)
            self._waiting[self._number] = None if is_stored else line
            self._drop()

    def oldest(self) -> tuple[int, bytes] | None:
        """The number of the line to send next, and the line."""
        with self._lock:
            while self._waiting:
                number, line = next(iter(self._waiting.items()))
                line = self._read(number) if line is None else line
                if line is not None:
                    return number, line
                if number in self._waiting:  # else it was lost with the database
                    del self._waiting[number]
                    self.lost += 1
            return None

    def remove(self, number: int) -> None:
        """The oldest line was sent; nothing if it was dropped meanwhile."""
        with self._lock:
            if number in self._waiting and self._waiting.pop(number) is None:
                self._delete_through(number)

    def close(self) -> None:
        """What waits in memory is lost."""
        with self._lock:
            self.lost += sum(line is not None for line in self._waiting.values())
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
            numbers = self._database.numbers()
        except DamagedError:
            self._replace_database(path)
            self.lost += 1
            return
        waiting = dict.fromkeys(numbers) | self._waiting
        self._waiting = {number: waiting[number] for number in sorted(waiting)}
        self._number = max(self._number, *self._waiting, 0)

    def _replace_database(self, path: Path) -> None:
        """Set a damaged database aside and begin a new one; DatabaseError if that fails."""
        self._lose_database()
        self.trouble = f"{path}: was damaged and is now {set_aside(path).name}"
        click.echo(f"edgeae: webhook: {self.trouble}", err=True)
        self._database = LineDatabase(path)

    def _lose_database(self) -> None:
        """Close the database; the lines in it are lost."""
        self._close_database()
        stored = [number for number, line in self._waiting.items() if line is None]
        for number in stored:
            del self._waiting[number]
        self.lost += len(stored)

    def _close_database(self) -> None:
        if self._database:
            with suppress(DatabaseError):  # each line is on the disk without an orderly end
                self._database.close()
            self._database = None

    def _drop(self) -> None:
        """Drop the oldest lines beyond the limit."""
        n_excess = max(0, len(self._waiting) - self._limit)
        excess = list(islice(self._waiting, n_excess))
        stored = [number for number in excess if self._waiting.pop(number) is None]
        self.lost += n_excess
        if stored:
            self._delete_through(stored[-1])

    def _store(self, line: bytes) -> bool:
        """Put the newest line into the database; False if it has to wait in memory."""
        if self._database is None:
            return False
        try:
            try:
                self._database.insert(self._number, line)
                self.trouble = None
            except DamagedError:
                self._replace_database(self._database.path)
                self._database.insert(self._number, line)
        except DatabaseError as error:
            self.trouble = _unwritable(self._folder, error)
            return False
        return True

    def _read(self, number: int) -> bytes | None:
        """A line of the database; None if it is gone or damaged."""
        if self._database is None:
            return None
        try:
            line = self._database.line(number)
        except DatabaseError as error:
            self._report_unreadable(self._database.path, error)
            return None
        if line is not None and not is_json(line):
            self._set_line_aside(self._database.path.with_name(f"line-{number}.damaged"), line)
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

    def _delete_through(self, number: int) -> None:
        """Delete the lines up to a number, with those that could not be deleted before."""
        if self._database is None:
            return
        try:
            self._database.delete_through(number)
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
