"""SQLite for outputs that keep something: what its errors mean, and what becomes of a damaged file.

DatabaseError            the database cannot be used now
|-- DiskError            the disk is full, or fails
`-- DamagedError         the file is not such a database, or no longer
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .sink import OutputError

# SQLite's names of errors that mean "this is not the database that it was made as".
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
# The disk is full or fails, which a limit of the file size or of the user's share also causes.
DISK = ("SQLITE_FULL", "SQLITE_IOERR")
# Files that SQLite keeps beside a database while it is open, and after a kill.
WRITE_AHEAD_LOG = "-wal"
SHARED_MEMORY = "-shm"


class DatabaseError(OutputError):
    """The database cannot be used now."""


class DiskError(DatabaseError):
    """The disk is full, or fails."""


class DamagedError(DatabaseError):
    """The file is not such a database, or no longer."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise the errors of SQLite as DatabaseError."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")  # errors of Python's module have none
        if name.startswith(DISK):
            raise DiskError(str(error)) from error
        if name.startswith(DAMAGED):
            raise DamagedError(str(error)) from error
        raise DatabaseError(str(error)) from error


def set_aside(path: Path) -> Path:
    """Rename a damaged database, closed, with its write-ahead log; returns its new path.

    SQLite's tools find the log beside the new path, too. DatabaseError if that fails.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        # The log first: beside a new database it would belong to that one.
        with suppress(FileNotFoundError):
            _beside(path, WRITE_AHEAD_LOG).replace(_beside(aside, WRITE_AHEAD_LOG))
        _beside(path, SHARED_MEMORY).unlink(missing_ok=True)
        path.replace(aside)
    except OSError as error:
        raise DatabaseError(
            f"{path.name} is damaged and cannot be moved: {error.strerror}"
        ) from error
    return aside


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
