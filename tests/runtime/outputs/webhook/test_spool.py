"""Lines that wait survive what can happen to a folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.webhook import spool as module
from edgeae.runtime.outputs.webhook.spool import Spool


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


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "spool" if request.param == "folder" else None


def test_lines_come_out_in_order(place: Path | None) -> None:
    spool = filled(place, 12)
    assert len(spool) == 12 and spool.oldest() == spool.oldest()
    assert emptied(spool) == [line(n) for n in range(12)] and len(spool) == 0
    spool.close()
    assert not place or not list(place.iterdir())


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
    (tmp_path / "000000000001.json").write_bytes(content)
    spool = Spool(tmp_path, 10)
    assert emptied(spool) == [line(1)] and spool.lost == 1
    assert "was damaged and is now 000000000001.json.damaged" in str(spool.trouble)
    assert (tmp_path / "000000000001.json.damaged").read_bytes() == content
    spool.close()


def test_a_folder_in_the_place_of_a_line_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "000000000001.json").mkdir()
    spool = filled(tmp_path, 1)
    assert emptied(spool) == [line(0)]
    spool.close()


def test_a_line_that_somebody_deleted_is_skipped(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    (tmp_path / "000000000001.json").unlink()
    assert emptied(spool) == [line(1)] and spool.lost == 1
    spool.close()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("mine")
    spool = filled(tmp_path, 1)
    assert emptied(spool) == [line(0)] and (tmp_path / "notes.json").read_text() == "mine"
    spool.close()


def test_on_a_full_disk_lines_wait_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spool = filled(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_file", full)
        spool.put(line(1))
        assert "No space left on device); lines wait in memory" in str(spool.trouble)
    spool.put(line(2))
    assert spool.trouble is None and emptied(spool) == [line(n) for n in range(3)]
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
        assert not list(folder.iterdir())


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


def test_a_limit_is_at_least_1() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Spool(None, 0)
