"""Paths, permissions, temporary files and locks."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.files import (
    ABANDONED_SECONDS,
    FileLock,
    absolute,
    create_file,
    lock_named,
    replace_file,
    sync_folder,
)


def test_the_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"a long first content")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
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


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask that the test is parametrized with."""
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], indirect=True)
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    replace_file(tmp_path / "a", b"")
    os.close(create_file(tmp_path / "b"))
    lock = FileLock(tmp_path / "c")
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    lock.release()


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o640)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    replace_file(path, b"new", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_that_is_replaced_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a").symlink_to("victim")
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("occupied", ["file", "link", "dangling link"])
def test_a_new_file_is_never_one_that_stands_there(tmp_path: Path, occupied: str) -> None:
    path = tmp_path / "a"
    if occupied == "file":
        path.touch()
    else:
        path.symlink_to("victim")
    if occupied == "link":
        (tmp_path / "victim").touch()
    with pytest.raises(FileExistsError):
        create_file(path)


def test_nobody_can_prepare_a_link_at_the_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    replace = Path.replace

    def renamed(path: Path, target: Path) -> Path:
        names.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", renamed)
    for _ in range(3):
        replace_file(tmp_path / "a", b"")
    assert len(set(names)) == 3


def test_a_file_that_may_be_lost_is_not_synchronised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("fsync"))
    replace_file(tmp_path / "a", b"new", durable=False)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_one_has_the_lock_at_a_time_and_nothing_stays(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "a")
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "a")
    FileLock(tmp_path / "b").release()
    first.release()
    FileLock(tmp_path / "a").release()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_that_a_killed_process_left_keeps_nobody_away(tmp_path: Path) -> None:
    (tmp_path / ".a.lock").touch()
    FileLock(tmp_path / "a").release()


def test_a_lock_file_that_was_removed_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    removed: list[Path] = []

    def slow(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append(tmp_path / ".a.lock")
            removed[0].unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    lock = FileLock(tmp_path / "a")
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "a")
    lock.release()


def test_a_lock_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / ".a.lock").symlink_to("victim")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(tmp_path / "a")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("text", ["m/pump.onnx", "./m/pump.onnx", "m/./pump.onnx", "m//pump.onnx"])
def test_a_path_is_absolute_and_plain(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(absolute(text)) == f"{tmp_path}/m/pump.onnx"


def test_folders_above_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert str(absolute("../m/pump.onnx")) == f"{tmp_path}/m/pump.onnx"
    assert str(absolute("..")) == str(tmp_path)


def test_the_folder_above_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "far" / "models").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "models").symlink_to(tmp_path / "far" / "models")
    assert absolute(tmp_path / "near/models/../a.onnx") == tmp_path / "far" / "a.onnx"


def test_a_link_at_the_end_is_kept(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "latest.onnx").symlink_to("pump-7.onnx")
    assert absolute(tmp_path / "work/../latest.onnx") == tmp_path / "latest.onnx"


def test_a_file_that_another_process_uses_is_refused_with_the_option_that_names_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    lock = lock_named("--file", path)
    with pytest.raises(ConfigError) as caught:
        lock_named("--file", path)
    assert str(caught.value) == f"--file {path}: another process uses it; name another file"
    lock.release()
    lock_named("--file", path).release()


def test_a_file_whose_folder_is_missing_is_refused_with_the_option_that_names_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "none" / "file"
    with pytest.raises(ConfigError) as caught:
        lock_named("--file", path)
    assert str(caught.value) == (
        f"--file {path}: cannot be written (No such file or directory); choose another place"
    )
