"""Lines that wait survive what can happen to a folder."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import pytest
from spooled import spooled_lines

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.webhook.spool import FILE_NAME, Spool


def line(n: int) -> bytes:
    return b'{"seq": %d}' % n


def emptied(spool: Spool) -> list[bytes]:
    lines = []
    while entry := spool.oldest():
        lines.append(entry[1])
        spool.remove(entry[0])
    return lines


def filled(folder: Path | None, n: int, limit: int = 100) -> Spool:
    spool = Spool(folder, limit)
    for k in range(n):
        spool.put(line(k))
    return spool


def change(folder: Path, statement: str, *values: object) -> None:
    """What somebody else does to the database."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as database:
        database.execute(statement, values)


def damage_a_page(folder: Path, page: int = 1) -> None:
    """Overwrite a page of the lines, and leave the header and the schema."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek(page * size)
        file.write(b"\xff" * size)


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "spool" if request.param == "folder" else None


def test_lines_come_out_in_order(place: Path | None) -> None:
    spool = filled(place, 12)
    assert len(spool) == 12 and spool.oldest() == spool.oldest()
    assert emptied(spool) == [line(n) for n in range(12)] and len(spool) == 0
    spool.close()
    assert not place or not spooled_lines(place)


def test_beyond_the_limit_the_oldest_are_dropped(place: Path | None) -> None:
    spool = filled(place, 12, limit=5)
    assert spool.full and spool.lost == 7 and emptied(spool) == [line(n) for n in range(7, 12)]
    spool.close()


def test_a_line_that_is_dropped_while_it_is_sent_is_not_missed(place: Path | None) -> None:
    spool = filled(place, 2, limit=2)
    entry = spool.oldest()
    spool.put(line(2))
    assert entry
    spool.remove(entry[0])
    assert emptied(spool) == [line(1), line(2)]
    spool.close()


def test_a_folder_goes_on_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, 12).close()
    spool = Spool(tmp_path, 10)
    assert spool.lost == 2 and len(spool) == 10
    assert spooled_lines(tmp_path) == [line(n) for n in range(2, 12)]
    spool.put(line(12))
    assert spool.lost == 3 and emptied(spool) == [line(n) for n in range(3, 13)]
    spool.close()


def test_what_memory_holds_at_the_end_is_counted_as_lost() -> None:
    spool = filled(None, 3)
    spool.close()
    assert spool.lost == 3


@pytest.mark.parametrize("content", [b"", b'{"seq": 0', b"\0" * 11, b"\xff"])
def test_a_damaged_line_is_set_aside_and_said(tmp_path: Path, content: bytes) -> None:
    filled(tmp_path, 2).close()
    change(tmp_path, "UPDATE lines SET line = ? WHERE number = 1", content)
    spool = Spool(tmp_path, 10)
    assert emptied(spool) == [line(1)] and spool.lost == 1
    assert f"line-1.damaged: this line was damaged in {FILE_NAME}" in str(spool.trouble)
    assert (tmp_path / "line-1.damaged").read_bytes() == content
    spool.close()
    assert not spooled_lines(tmp_path)


@pytest.mark.parametrize("value", ["text", "\0", 7, 1.5])
def test_a_line_of_another_type_is_bytes_or_damaged(tmp_path: Path, value: object) -> None:
    filled(tmp_path, 2).close()
    change(tmp_path, "UPDATE lines SET line = ? WHERE number = 1", value)
    spool = Spool(tmp_path, 10)
    lines = emptied(spool)
    assert lines[-1] == line(1) and len(lines) + spool.lost == 2
    assert all(isinstance(text, bytes) for text in lines)
    spool.close()


@pytest.mark.parametrize(
    "content", [b"rubbish", b"SQLite format 3\0", b"\0" * 100, b"\xff" * 10_000]
)
def test_a_database_that_cannot_be_read_is_set_aside_and_reported(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    spool = Spool(tmp_path, 10)
    sentence = f"{tmp_path / FILE_NAME}: was damaged and is now {FILE_NAME}.damaged"
    assert spool.trouble == sentence and spool.lost == 1
    assert capsys.readouterr().err == f"edgeae: webhook: {sentence}\n"
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == content
    spool.put(line(0))
    assert emptied(spool) == [line(0)] and spool.trouble is None
    spool.close()


def test_a_database_whose_lines_are_damaged_is_set_aside(tmp_path: Path) -> None:
    filled(tmp_path, 12).close()
    damage_a_page(tmp_path)
    content = (tmp_path / FILE_NAME).read_bytes()
    spool = Spool(tmp_path, 100)
    assert "was damaged and is now" in str(spool.trouble)
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == content
    spool.put(line(0))
    spool.close()
    assert spooled_lines(tmp_path) == [line(0)]


def test_damage_behind_the_first_lines_is_found_at_the_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    for n in range(50):
        spool.put(line(n) + b" " * 1000)
    spool.close()
    damage_a_page(tmp_path, page=6)
    spool = Spool(tmp_path, 100)
    assert len(spool) == 0 and "was damaged and is now" in str(spool.trouble)
    spool.close()


@pytest.mark.parametrize("statement", ["CREATE TABLE lines (a, b, c)", "CREATE TABLE lines (a)"])
def test_a_database_of_something_else_is_set_aside(tmp_path: Path, statement: str) -> None:
    change(tmp_path, statement)
    spool = filled(tmp_path, 2)
    assert emptied(spool) == [line(0), line(1)] and (tmp_path / f"{FILE_NAME}.damaged").is_file()
    spool.close()


@pytest.mark.parametrize("before", [0, 3])
def test_a_database_that_is_damaged_while_it_is_used_costs_what_it_holds(
    tmp_path: Path, before: int, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = filled(tmp_path, before)
    damage_a_page(tmp_path)
    spool.put(line(7))
    spool.put(line(8))
    assert emptied(spool) == [line(7), line(8)] and spool.lost == before
    assert "was damaged and is now" in capsys.readouterr().err
    spool.put(line(9))
    spool.close()
    assert spooled_lines(tmp_path) == [line(9)]


def test_a_damaged_database_found_by_reading_costs_what_it_holds(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    damage_a_page(tmp_path)
    assert spool.oldest() is None and spool.lost == 3 and len(spool) == 0
    assert "was damaged and is now" in str(spool.trouble)
    spool.put(line(3))
    assert emptied(spool) == [line(3)]
    spool.close()


def test_a_damaged_database_that_cannot_be_set_aside_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"rubbish")
    (tmp_path / f"{FILE_NAME}.damaged" / "kept").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"is damaged and cannot be moved: .*another folder"):
        Spool(tmp_path, 10)
    assert (tmp_path / FILE_NAME).read_bytes() == b"rubbish"


def test_a_folder_in_the_place_of_the_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    spool = filled(tmp_path, 1)
    assert emptied(spool) == [line(0)] and (tmp_path / f"{FILE_NAME}.damaged").is_dir()
    spool.close()


def test_a_line_that_somebody_deleted_is_skipped(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    change(tmp_path, "DELETE FROM lines WHERE number = 1")
    assert emptied(spool) == [line(1)] and spool.lost == 1
    spool.close()


def test_after_a_database_that_somebody_deleted_there_is_a_new_one(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    for path in tmp_path.iterdir():
        path.unlink()
    spool.put(line(2))
    assert spool.lost == 2 and len(spool) == 1 and spool.trouble is None
    spool.close()
    assert spooled_lines(tmp_path) == [line(2)]


def test_in_a_folder_that_somebody_deleted_lines_wait_in_memory(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 1)
    shutil.rmtree(tmp_path / "spool")
    spool.put(line(1))
    assert str(spool.trouble).endswith("; lines wait in memory")
    assert emptied(spool) == [line(1)]
    spool.close()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("mine")
    spool = filled(tmp_path, 1)
    assert emptied(spool) == [line(0)] and (tmp_path / "notes.json").read_text() == "mine"
    spool.close()


@contextmanager
def no_room_for_pages(spool: Spool, _: Path) -> Iterator[None]:
    """SQLite's own limit: its error is that of a full disk."""
    assert spool._database
    connection = spool._database._connection
    connection.execute("PRAGMA max_page_count = 1")
    yield
    connection.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def no_room_for_files(_: Spool, folder: Path) -> Iterator[None]:
    """The operating system lets no file of the folder grow."""
    sizes = [path.stat().st_size for path in folder.iterdir() if path.suffix != ".sqlite3-shm"]
    limits = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (max(sizes), limits[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("no_room", "reason"),
    [(no_room_for_pages, "database or disk is full"), (no_room_for_files, "disk I/O error")],
)
def test_on_a_full_disk_lines_wait_in_memory(
    tmp_path: Path,
    no_room: Callable[[Spool, Path], AbstractContextManager[None]],
    reason: str,
) -> None:
    def long(n: int) -> bytes:
        return line(n) + b" " * 100_000

    spool = filled(tmp_path, 1)
    with no_room(spool, tmp_path):
        spool.put(long(1))
        assert spool.trouble == f"{tmp_path}: cannot be written ({reason}); lines wait in memory"
    spool.put(long(2))
    assert spool.trouble is None
    assert spooled_lines(tmp_path) == [line(0), long(2)]
    assert emptied(spool) == [line(0), long(1), long(2)] and spool.lost == 0
    spool.close()
    assert not spooled_lines(tmp_path)


def test_on_a_full_disk_short_lines_take_the_room_of_earlier_ones(tmp_path: Path) -> None:
    spool = filled(tmp_path, 5)
    with no_room_for_files(spool, tmp_path):
        for n in range(5, 20):
            spool.put(line(n))
            spool.remove(n - 4)
        assert spool.trouble is None
    spool.close()
    assert spooled_lines(tmp_path) == [line(n) for n in range(15, 20)]


def test_a_disk_that_is_full_at_the_start_is_used_later(tmp_path: Path) -> None:
    limits = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (100, limits[1]))
    try:
        spool = filled(tmp_path, 2)
    finally:
        setrlimit(RLIMIT_FSIZE, limits)
    assert str(spool.trouble).endswith("lines wait in memory") and spool.lost == 0
    spool.put(line(2))
    assert spool.trouble is None and spooled_lines(tmp_path) == [line(2)]
    assert emptied(spool) == [line(n) for n in range(3)]
    spool.close()


def test_lines_of_a_database_that_could_not_be_opened_at_first_come_first(tmp_path: Path) -> None:
    filled(tmp_path, 2).close()
    limits = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (100, limits[1]))  # SQLite cannot make the file beside the log
    try:
        spool = Spool(tmp_path, 10)
        spool.put(line(2))
        spool.put(line(3))
        being_sent = spool.oldest()
    finally:
        setrlimit(RLIMIT_FSIZE, limits)
    assert being_sent and being_sent[1] == line(2)
    spool.put(line(4))
    spool.remove(being_sent[0])
    assert emptied(spool) == [line(n) for n in (0, 1, 3, 4)] and spool.lost == 0
    spool.close()
    assert not spooled_lines(tmp_path)


def test_a_line_that_could_not_be_deleted_is_deleted_with_the_next(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    assert spool._database
    spool._database._connection.execute("PRAGMA query_only = 1")
    spool.remove(1)
    assert "a line cannot be deleted (attempt to write a readonly database)" in str(spool.trouble)
    spool._database._connection.execute("PRAGMA query_only = 0")
    spool.remove(2)
    spool.close()
    assert spooled_lines(tmp_path) == [line(2)]


def test_a_power_cut_at_any_byte_of_the_log_leaves_the_lines_before_it(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 5)
    cut = tmp_path / "cut"
    log = (tmp_path / "spool" / f"{FILE_NAME}-wal").read_bytes()
    n_lines = set()
    for end in [*range(0, len(log), 331), len(log)]:
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
        shutil.copy(tmp_path / "spool" / FILE_NAME, cut)
        (cut / f"{FILE_NAME}-wal").write_bytes(log[:end])
        after = Spool(cut, 100)
        assert after.trouble is None and after.lost == 0
        lines = emptied(after)
        assert lines == [line(n) for n in range(len(lines))]
        n_lines.add(len(lines))
        after.close()
    assert n_lines == set(range(6))
    spool.close()


KILLED = """
import os, sys, threading, time, signal
from pathlib import Path
from edgeae.runtime.outputs.webhook.spool import Spool
spool = Spool(Path(sys.argv[1]), 1000)
print(flush=True)
n = 0
while True:
    spool.put(b'{"seq": %d}' % n)
    n += 1
    print(n, flush=True)
"""


def test_killed_while_it_writes_no_line_that_was_taken_is_lost(tmp_path: Path) -> None:
    for lines in (1, 3, 10, 40):
        folder = tmp_path / str(lines)
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
            taken = lines - 1 + process.stdout.read().count(b"\n")
        spool = Spool(folder, 1000)
        kept = emptied(spool)
        assert (
            kept[:taken] == [line(n) for n in range(taken)]
            and len(kept) <= taken + 1
            and spool.lost == 0
        )
        spool.close()
        assert not spooled_lines(folder)


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(ConfigError, match="another process keeps its lines there"):
        Spool(tmp_path, 1)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    spool.close()
    Spool(tmp_path, 1).close()


@pytest.mark.parametrize("name", ["no/such/place", "file"])
def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot keep lines .*; name another folder"):
        Spool(tmp_path / name, 1)


def test_a_folder_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match="Permission denied"):
        Spool(tmp_path, 1)


def test_a_database_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 1).close()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / FILE_NAME)
    with pytest.raises(
        ConfigError, match=rf"cannot keep lines \({FILE_NAME} may not be written\);"
    ):
        Spool(tmp_path, 1)
    monkeypatch.undo()
    assert spooled_lines(tmp_path) == [line(0)]
    Spool(tmp_path, 1).close()  # the refused one holds no lock


def test_a_limit_is_at_least_1() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Spool(None, 0)
