"""Files that are replaced as a whole."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from edgeae.runtime.system.atomic_file import ABANDONED_SECONDS, replace_file, sync_folder


def test_the_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"a long first content")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_content_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_by_the_next_write_but_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "track[1].json"
    old = tmp_path / ".track[1].json.a.unfinished"
    young = tmp_path / ".track[1].json.b.unfinished"
    of_another = tmp_path / ".track1.json.c.unfinished"
    of_a_person = tmp_path / ".track[1].json.bak"
    for other in (old, young, of_another, of_a_person):
        other.touch()
        os.utime(other, (0, 0))
    os.utime(young, (time.time() - ABANDONED_SECONDS / 2,) * 2)  # somebody may be writing it
    replace_file(path, b"new")
    assert set(tmp_path.iterdir()) == {path, young, of_another, of_a_person}


def test_content_is_durable_before_its_name_and_the_name_before_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[str]()
    fsync = os.fsync
    replace = Path.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    replace_file(tmp_path / "a", b"new")
    assert steps == ["file", "rename", "folder"]


@pytest.mark.parametrize(("code", "raised"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_only_a_file_system_that_cannot_sync_a_folder_is_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raised: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    if raised:
        with pytest.raises(OSError, match="error"):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)
