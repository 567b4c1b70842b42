"""Every line of a log parses: after rotation, a power cut, a full disk, logrotate."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import example_lines
import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.lines import JsonObject, ScoreLine
from edgeae.runtime.outputs.log import sink as log_file
from edgeae.runtime.outputs.log.sink import LogFile
from edgeae.runtime.outputs.sink import OutputError


@dataclass(frozen=True, kw_only=True)
class ShortLine(ScoreLine):
    """A score of a few bytes, so that a test can count how many fit into a file."""

    sentence: str = ""

    def to_dict(self) -> JsonObject:
        values = {"type": self.type, "seq": self.sequence}
        return {**values, "sentence": self.sentence} if self.sentence else values


def score(n: int, sentence: str = "") -> ShortLine:
    values = vars(example_lines.score(sequence=n))
    return ShortLine(**values, sentence=sentence)


EVENT = example_lines.event()


def read(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def numbers(path: Path) -> list[int]:
    return [line["seq"] for line in read(path)]


def all_numbers(path: Path, files: int) -> list[int]:
    """The lines of a log and its full files, the oldest first."""
    names = [path.with_name(f"{path.name}.{n}") for n in range(files - 1, 0, -1)] + [path]
    return [n for name in names if name.exists() for n in numbers(name)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_lines_are_in_the_file_when_deliver_returns(path: Path) -> None:
    log = LogFile(path)
    log.deliver(score(0))
    log.deliver(EVENT)
    assert read(path) == [score(0).to_dict(), EVENT.to_dict()]
    log.close()


def test_a_log_is_continued_at_its_end(path: Path) -> None:
    for n in range(3):
        log = LogFile(path)
        log.deliver(score(n))
        log.close()
    assert numbers(path) == [0, 1, 2]


def test_rotation_bounds_the_space_and_keeps_the_newest_lines(path: Path) -> None:
    log = LogFile(path, megabytes=0.0001, files=3)
    for n in range(100):
        log.deliver(score(n))
    log.close()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "log.jsonl",
        "log.jsonl.1",
        "log.jsonl.2",
    ]
    assert all(p.stat().st_size <= 100 for p in path.parent.iterdir())
    kept = all_numbers(path, 3)
    assert kept == list(range(100 - len(kept), 100)) and len(kept) >= 6


def test_a_line_longer_than_a_file_has_a_file_of_its_own(path: Path) -> None:
    log = LogFile(path, megabytes=0.0001)
    for n in range(3):
        log.deliver(score(n, "x" * 300))
    log.close()
    assert all_numbers(path, 5) == [0, 1, 2] and path.with_name("log.jsonl.2").exists()


@pytest.mark.parametrize("steps", range(4))
def test_a_process_killed_in_the_middle_of_a_rotation_loses_no_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    left = steps

    def step(*names: Path) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        os.replace(*names)  # noqa: PTH105

    log = LogFile(path, megabytes=0.00006, files=5)
    for n in range(6):  # two lines a file: two full files and the current one
        log.deliver(score(n))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", step)
        patch.setattr(LogFile, "_open", step)
        log.deliver(score(-1))
    assert left == 0
    log = LogFile(path, megabytes=0.00006, files=5)
    for n in range(6, 9):
        log.deliver(score(n))
    log.close()
    assert all_numbers(path, 5) == list(range(9))


WHOLE = b'{"type": "score", "seq": 0}\n{"type": "score", "seq": 1}\n'


@pytest.mark.parametrize("length", range(len(WHOLE) + 1))
def test_a_file_cut_anywhere_is_repaired(path: Path, length: int) -> None:
    path.write_bytes(WHOLE[:length])
    log = LogFile(path)
    log.deliver(score(7))
    log.close()
    whole = WHOLE[:length].count(b"}")  # the newline alone may be missing
    assert numbers(path) == [*range(whole), 7]


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 5000,
        b'{"type": "sc' + b"\0" * 900,
        b'\0\0\0"seq": 1}\n',
        b'\0\0"seq": 1}\n{"ty',
        b'\xff\xfe{"\n',
    ],
)
def test_data_that_had_not_reached_the_disk_is_cut(path: Path, tail: bytes) -> None:
    path.write_bytes(WHOLE + tail)
    LogFile(path).close()
    assert path.read_bytes() == WHOLE


def test_a_long_file_is_repaired_at_its_end(path: Path) -> None:
    path.write_bytes(WHOLE * 100 + b'{"type": ')
    LogFile(path, tail_bytes=64).close()
    assert path.read_bytes() == WHOLE * 100


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\0\0\0\0WAVE\n\0\0",
        b"a, b\n1, 2\n",
        b'{\n  "format": 1\n}',
        b"[1]\n",
        b"words",
        b"\x08\x08\0",
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="something else than JSON lines; name another file"):
        LogFile(path)
    assert path.read_bytes() == content


def test_a_large_file_that_ends_in_no_line_is_left_alone(path: Path) -> None:
    path.write_bytes(WHOLE + b"\0" * 100)
    with pytest.raises(ConfigError, match="something else"):
        LogFile(path, tail_bytes=64)
    assert path.read_bytes() == WHOLE + b"\0" * 100


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(path.with_name("moved"))])
def test_a_file_that_was_moved_is_opened_again(path: Path, away: Any) -> None:
    log = LogFile(path)
    log.deliver(score(0))
    away(path)
    log.deliver(score(1))
    log.close()
    assert numbers(path) == [1]


def test_a_link_to_a_log_remains_a_link(path: Path) -> None:
    path.symlink_to("disk.jsonl")
    log = LogFile(path, megabytes=0.00006, files=2)
    for n in range(3):
        log.deliver(score(n))
    log.close()
    assert (
        path.is_symlink()
        and numbers(path) == [2]
        and numbers(path.with_name("disk.jsonl.1")) == [0, 1]
    )


def test_a_file_truncated_by_others_is_continued(path: Path) -> None:
    log = LogFile(path)
    log.deliver(score(0))
    path.write_bytes(b"")
    log.deliver(score(1))
    log.close()
    assert numbers(path) == [1]


def test_a_folder_that_is_missing_for_a_while_loses_only_the_lines_of_that_time(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    log = LogFile(folder / "log")
    folder.rename(tmp_path / "pulled")
    with pytest.raises(FileNotFoundError):
        log.deliver(score(0))
    folder.mkdir()
    log.deliver(score(1))
    log.close()
    assert numbers(folder / "log") == [1]


@pytest.mark.parametrize(("fsync", "synced"), [("always", [1, 2]), ("events", [2]), ("never", [])])
def test_fsync_follows_the_policy(
    path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any, synced: list[int]
) -> None:
    log, lengths = LogFile(path, fsync=fsync), []
    monkeypatch.setattr(os, "fsync", lambda descriptor: lengths.append(len(read(path))))
    log.deliver(score(0))
    log.deliver(EVENT)
    assert lengths == synced
    log.close()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is synchronised with the disk, under its name at that moment."""
    paths: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
    )
    return paths


@pytest.mark.parametrize("fsync", ["always", "events", "never"])
def test_the_name_of_a_new_log_is_synchronised(path: Path, synced: list[Path], fsync: Any) -> None:
    log = LogFile(path, fsync=fsync)
    assert synced == ([] if fsync == "never" else [path.parent])
    log.close()


@pytest.mark.parametrize("fsync", ["always", "events", "never"])
def test_the_end_of_a_log_is_synchronised(path: Path, synced: list[Path], fsync: Any) -> None:
    log = LogFile(path, fsync=fsync)
    log.deliver(score(0))
    synced.clear()
    log.close()
    assert synced == ([] if fsync == "never" else [path])


def test_a_full_log_is_synchronised_before_it_is_renamed(path: Path, synced: list[Path]) -> None:
    log = LogFile(path, megabytes=1e-6)
    log.deliver(score(0))
    synced.clear()
    log.deliver(score(1))
    assert synced == [path, path.parent]
    log.close()


class FullDisk(FileIO):
    """Takes ``room`` bytes more."""

    room = 10

    def write(self, text: Any) -> int:
        if not FullDisk.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        FullDisk.room -= (taken := min(len(text), FullDisk.room))
        return super().write(text[:taken])


def test_a_half_written_line_is_cut_and_later_lines_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "FileIO", FullDisk)
    path.write_bytes(WHOLE)
    log = LogFile(path)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            log.deliver(score(2))
        assert path.read_bytes() == WHOLE
    monkeypatch.setattr(FullDisk, "room", 1000)
    log.deliver(score(3))
    log.close()
    assert numbers(path) == [0, 1, 3]


def test_a_full_disk_at_the_start_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FileIO", FullDisk)
    monkeypatch.setattr(FullDisk, "room", 0)
    path.write_bytes(WHOLE[:-1])  # to complete it takes a byte
    log = LogFile(path)
    monkeypatch.setattr(FullDisk, "room", 1000)
    log.deliver(score(2))
    log.close()
    assert numbers(path) == [0, 1, 2]


LINES = """
from edgeae.runtime.outputs.lines import EventLine, ScoreLine
def score(n):
    return ScoreLine(source="hw:1", t=0.0, sequence=n, score=0.0, threshold=1.0, anomaly=False,
                     level_dbfs=None, out_of_range=0.0, health="ok")
def event(n):
    return EventLine(source="hw:1", t=0.0, sequence=n, phase="update", duration=0.0, peak=0.0,
                     bands=[], sentence="x" * 500, cause="machine")
"""
LIMITED = """
import resource, sys
from pathlib import Path
from edgeae.runtime.outputs.log.sink import LogFile
log, failed = LogFile(Path(sys.argv[1])), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (800, resource.RLIM_INFINITY))
for n in range(10):
    try:
        log.deliver(score(n))
    except OSError:
        failed += 1
    if n == 7:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
print(failed)
"""
MOUNTED = """
import os, sys
from pathlib import Path
from edgeae.runtime.outputs.log.sink import LogFile
folder = Path(sys.argv[1])
log, failed, ballast = LogFile(folder / "log"), 0, folder / "ballast"
for n in range(1000):
    try:
        log.deliver(event(n))
    except OSError as error:
        failed += 1
        last = (folder / "log").read_bytes()
        assert last.endswith(b"\\n"), last[-20:]
    if n == 0:
        ballast.write_bytes(b"x" * 300000)
    if n == 900:
        ballast.unlink()
lines = (folder / "log").read_text().splitlines()
import json
assert [json.loads(line)["seq"] for line in lines][-99:] == list(range(901, 1000))
assert failed and len(lines) == 1000 - failed, (failed, len(lines))
print(failed)
"""


def python(
    program: str, *arguments: object, prefix: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    command = [*prefix, sys.executable, "-c", LINES + program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_short_write_of_the_kernel_leaves_whole_lines(path: Path) -> None:
    done = python(LIMITED, path)
    assert done.stdout == "5\n", done.stderr
    assert numbers(path) == [0, 1, 2, 8, 9]


def test_whole_lines_remain_on_a_real_file_system_that_is_full(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=400k tmpfs {tmp_path} && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if python("", prefix=prefix).returncode:
        pytest.skip("no mounting in a user namespace here")
    done = python(MOUNTED, tmp_path, prefix=prefix)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500


KILLED = """
import sys
from pathlib import Path
from edgeae.runtime.outputs.log.sink import LogFile
log, n = LogFile(Path(sys.argv[1]), megabytes=0.01, files=1000), int(sys.argv[2])
while True:
    log.deliver(score(n))
    n += 1
    print(n, flush=True)
"""


def test_a_log_that_is_killed_repeatedly_loses_no_delivered_line(path: Path) -> None:
    taken = 0
    for lines in (1, 50, 200, 333):
        command = [sys.executable, "-c", LINES + KILLED, str(path), str(taken)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
            process.wait()
        LogFile(path).close()  # repairs a cut line
        kept = all_numbers(path, 1000)
        assert kept == list(range(len(kept))) and len(kept) >= taken + lines
        taken = len(kept)


def test_failures_leave_no_descriptors(path: Path) -> None:
    log = LogFile(path)
    path.unlink()
    path.write_text("words\n")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(10):
        with pytest.raises(OutputError):
            log.deliver(score(0))
    assert len(os.listdir("/proc/self/fd")) < before  # noqa: PTH208


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("no/log", {}, "there is no folder .*; create it first"),
        ("loop", {}, "cannot be written .*; choose another place"),
        (".", {}, "is no regular file; name another"),
        ("log", {"megabytes": 0}, "megabytes"),
        ("log", {"megabytes": float("nan")}, "megabytes"),
        ("log", {"files": 1}, "2 files or more"),
        ("log", {"fsync": "often"}, "always, events, never, not 'often'"),
    ],
)
def test_impossible_limits_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=sentence):
        LogFile(tmp_path / name, **options)


def test_a_fifo_is_refused_without_waiting_for_a_reader(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="no regular file"):
        LogFile(path)


@pytest.mark.parametrize("name", ["/proc/log", "/dev/full"])
def test_paths_that_cannot_be_a_file_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"choose another place|no regular file"):
        LogFile(Path(name))


def test_a_folder_that_may_not_be_written_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match="may not be written"):
        LogFile(path)


def test_two_processes_do_not_share_a_log(path: Path) -> None:
    log = LogFile(path)
    with pytest.raises(ConfigError, match="another process writes it"):
        LogFile(path)
    log.close()
    LogFile(path).close()


def test_a_foreign_file_at_the_path_while_running_is_an_output_error(path: Path) -> None:
    log = LogFile(path)
    path.unlink()
    path.write_text("a, b\n")
    with pytest.raises(OutputError, match="something else"):
        log.deliver(score(0))
    path.unlink()
    log.deliver(score(1))
    log.close()
    assert numbers(path) == [1]
