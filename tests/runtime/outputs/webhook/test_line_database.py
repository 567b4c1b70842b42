"""A table of lines, and what SQLite says when it cannot be used."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeae.runtime.outputs.database import DamagedError, DatabaseError
from edgeae.runtime.outputs.webhook.line_database import LineDatabase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lines.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[LineDatabase]:
    with closing(LineDatabase(path)) as database:
        yield database


def test_lines_are_found_by_their_rows(database: LineDatabase) -> None:
    assert [database.insert(line) for line in (b"a", b"b", b"c")] == [1, 2, 3]
    assert database.rows() == [1, 2, 3]
    assert database.line(2) == b"b" and database.line(4) is None


def test_lines_up_to_a_row_are_deleted(database: LineDatabase) -> None:
    for _ in range(5):
        database.insert(b"")
    database.delete_through(3)
    assert database.rows() == [4, 5]


def test_the_table_lies_in_the_file_and_not_in_the_log_alone(
    database: LineDatabase, path: Path
) -> None:
    """Otherwise a full log cannot be moved into the file while the disk is full."""
    (page_size,) = database._connection.execute("PRAGMA page_size").fetchone()
    assert path.stat().st_size == 2 * page_size


def test_a_line_is_on_the_disk_when_insert_returns(path: Path) -> None:
    """Without that a power cut takes the last lines, which no kill shows."""
    with closing(LineDatabase(path)) as database:
        execute = database._connection.execute
        assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: before each commit returns
        database.insert(b"kept")
        assert not database._connection.in_transaction
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT line FROM lines").fetchall() == [(b"kept",)]


def test_a_file_that_is_not_a_database_is_damaged(path: Path) -> None:
    path.write_bytes(b"rubbish")
    with pytest.raises(DamagedError, match="file is not a database"):
        LineDatabase(path)


def test_a_database_with_another_table_of_lines_is_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE lines (text)")
    with pytest.raises(DamagedError, match="no such column"):
        LineDatabase(path)


def test_a_database_that_contradicts_itself_is_damaged(path: Path) -> None:
    LineDatabase(path).close()
    with path.open("r+b") as file:
        file.seek(36)  # the number of free pages, in SQLite's file format
        file.write(b"\0\0\0\x09")
    with pytest.raises(DamagedError, match=r"[Ff]reelist"):
        LineDatabase(path)


def test_a_failure_leaves_no_descriptors(path: Path) -> None:
    path.write_bytes(b"rubbish")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(DamagedError):
        LineDatabase(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_folder_that_does_not_exist_is_not_damage(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="unable to open database file") as caught:
        LineDatabase(tmp_path / "no-folder" / "lines.sqlite3")
    assert not isinstance(caught.value, DamagedError)


def test_a_file_that_was_moved_is_not_in_place(database: LineDatabase, path: Path) -> None:
    assert database.is_in_place()
    path.rename(path.with_name("elsewhere"))
    assert not database.is_in_place()
    path.write_bytes(b"")
    assert not database.is_in_place()


def test_sqlite_is_imported_by_a_spool_in_a_folder_only(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from edgeae.runtime.outputs.webhook.sink import Webhook
from edgeae.runtime.outputs.webhook.spool import Spool
Spool(None, 1).close()
assert "sqlite3" not in sys.modules
Spool(Path(sys.argv[1]), 1).close()
assert "sqlite3" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
