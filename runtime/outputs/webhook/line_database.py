"""Lines in an SQLite database: a line is on the disk before `insert` returns.

Each change is a transaction of the write-ahead log, which is synchronised with the disk. After a
kill or a power cut the database therefore holds each line as a whole or not at all.
"""

import os
from pathlib import Path

from ..database import DamagedError, DatabaseError, DiskError, database_errors


class LineDatabase:
    """A file with one table of lines, in the order of their rows.

    Each method may raise a DatabaseError.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, which is created if it does not exist, and check all of it."""
        import sqlite3  # costs a megabyte, so that only a spool in a folder imports it

        self.path = path
        if path.exists() and not path.is_file():
            raise DamagedError("it is not a file")
        with database_errors():
            # Each statement is a transaction of its own; the spool lets one thread in at a time.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            if not os.access(path, os.W_OK):  # SQLite reports that with the first change only
                raise DatabaseError(f"{path.name} may not be written")
            with database_errors():
                self._prepare()
            self._file = self._status()
        except BaseException:
            self._connection.close()
            raise

    def insert(self, line: bytes) -> int:
        """Add a line after all others; returns its row."""
        return self._change("INSERT INTO lines (line) VALUES (?)", line)

    def delete_through(self, row: int) -> None:
        """Delete the lines up to and including a row."""
        self._change("DELETE FROM lines WHERE number <= ?", row)

    def rows(self) -> list[int]:
        """The rows of all lines, the oldest first."""
        with database_errors():
            rows = self._connection.execute("SELECT number FROM lines ORDER BY number")
            return [row for (row,) in rows]

    def line(self, row: int) -> bytes | None:
        """One line; None if it is not there."""
        # The cast keeps SQLite from decoding what somebody else may have stored as text.
        query = "SELECT CAST(line AS BLOB) FROM lines WHERE number = ?"
        with database_errors():
            stored = self._connection.execute(query, (row,)).fetchone()
        return stored[0] if stored else None

    def is_in_place(self) -> bool:
        """False if somebody moved or deleted the file: nobody would find a line there."""
        try:
            return os.path.samestat(self._file, self.path.stat())
        except OSError:
            return False

    def close(self) -> None:
        with database_errors():
            self._connection.close()

    def _change(self, statement: str, value: int | bytes) -> int:
        """Execute a statement; returns the row that it inserted."""
        try:
            with database_errors():
                cursor = self._connection.execute(statement, (value,))
        except DiskError:
            # After a checkpoint the next change overwrites the log: a full disk has room for that.
            with database_errors():
                self._connection.execute("PRAGMA wal_checkpoint")
                cursor = self._connection.execute(statement, (value,))
        return cursor.lastrowid or 0

    def _prepare(self) -> None:
        """Create the table if there is none, and check all pages."""
        execute = self._connection.execute
        execute("PRAGMA synchronous = FULL")
        execute("CREATE TABLE IF NOT EXISTS lines (number INTEGER PRIMARY KEY, line BLOB NOT NULL)")
        # Only now, so that the table lies in the file and a full log can be moved into it.
        execute("PRAGMA journal_mode = WAL")
        execute("SELECT number, line FROM lines LIMIT 1").fetchone()
        (finding,) = execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise DamagedError(finding)

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except OSError as error:
            raise DatabaseError(error.strerror) from error
