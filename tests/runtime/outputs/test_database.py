"""What the errors of SQLite mean, and a database that is set aside."""

import sqlite3
from pathlib import Path

import pytest

from edgeae.runtime.outputs.database import DamagedError, DatabaseError, database_errors, set_aside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lines.sqlite3"


def test_an_error_without_a_name_is_neither_damage_nor_the_disk() -> None:
    with pytest.raises(DatabaseError, match="closed") as caught, database_errors():
        raise sqlite3.ProgrammingError("the database is closed")
    assert not isinstance(caught.value, DamagedError)


def test_a_file_of_another_kind_is_damaged(path: Path) -> None:
    path.write_bytes(b"rubbish" * 100)
    with pytest.raises(DamagedError, match="not a database"), database_errors():
        sqlite3.connect(path).execute("SELECT 1 FROM sqlite_master")


def test_a_database_is_set_aside_with_its_log(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_text(suffix)
    aside = set_aside(path)
    assert aside.name == "lines.sqlite3.damaged"
    assert {other.name: other.read_text() for other in path.parent.iterdir()} == {
        "lines.sqlite3.damaged": "",
        "lines.sqlite3.damaged-wal": "-wal",
    }
