"""JSON lines in a file that may not fill the disk, and that parses after whatever happened.

    PATH.2 -> PATH.3      a full file: each is renamed to the next number that is free, or replaces the last;
    PATH.1 -> PATH.2      killed between any two of these steps, nothing is lost: the number
    PATH   -> PATH.1      that is missing is the free one of the next time
    PATH                  opened anew

A line is written whole or not at all: what a full disk cuts off is truncated away, what a power cut left is
mended when the file is opened. A file that somebody moves or deletes (logrotate) is opened anew.
"""

import fcntl
import json
import os
import stat
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from io import FileIO
from pathlib import Path
from typing import Literal, get_args

import click

from ..errors import ConfigError
from ..system.atomic_file import sync_folder
from .declaration import FILE, POSITIVE, OpenOutput, Output, OutputContext, run_option
from .lines import RunLine, ScoreLine
from .sink import OutputError, Sink

Sync = Literal["always", "events", "never"]  # events: after all lines but scores

TAIL = (
    1 << 20
)  # bytes at the end of a file that are looked at when it is opened; no line is as long

OPTIONS = (
    run_option(
        "--log",
        type=FILE,
        value_kind="output-file",
        keeps_lines=True,
        help="Append all lines to this FILE.jsonl, which is rotated.",
    ),
    run_option(
        "--log-megabytes",
        default=10.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum size of one log file, MB.",
    ),
    run_option(
        "--log-files",
        default=5,
        show_default=True,
        type=click.IntRange(2),
        help="Number of log files, rotated ones included.",
    ),
    run_option(
        "--log-fsync",
        default="events",
        show_default=True,
        type=click.Choice(["always", "events", "never"]),
        help="Which lines of the log a power cut cannot take: all, all but scores, none.",
    ),
)


class LineFile(Sink[RunLine]):
    """An output into PATH and the ``files - 1`` full ones before it, each of ``megabytes`` (1e6 bytes).

    ``fsync`` says which lines are on the disk when `deliver` returns. A full file always is before it is
    renamed. Raises ConfigError for a file that cannot be written, is no log of edgeae or is another process's.
    """

    name = "log"

    def __init__(
        self, path: Path, *, megabytes: float = 10.0, files: int = 5, fsync: Sync = "events"
    ) -> None:
        if not megabytes > 0:
            raise ConfigError(f"{path}: a log of {megabytes:g} megabytes is none; give more than 0")
        if files < 2:
            raise ConfigError(
                f"{path}: a log needs 2 files or more to throw away the oldest, not {files}"
            )
        if fsync not in get_args(Sync):
            raise ConfigError(f"{path}: fsync is {', '.join(get_args(Sync))}, not {fsync!r}")
        self._path, self._most, self._files, self._fsync = (
            Path(os.path.realpath(path)),
            megabytes * 1e6,
            files,
            fsync,
        )
        self._file: FileIO | None = None
        self._begin()

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """Append one line; OSError if there is no room or the disk fails."""
        text = line.to_json().encode() + b"\n"
        file = self._current(len(text))
        self._append(file, text)
        if self._fsync == "always" or (self._fsync == "events" and not isinstance(line, ScoreLine)):
            os.fsync(file.fileno())

    def close(self) -> None:
        if self._file:
            with self._file as file:
                self._file = None
                if self._fsync != "never":
                    os.fsync(file.fileno())

    def _begin(self) -> None:
        """Open the file now: this, not a month later, is the time to say that it cannot be used."""
        folder = self._path.parent
        try:
            if not folder.is_dir():
                raise ConfigError(f"{self._path}: there is no folder {folder}; create it first")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise ConfigError(
                    f"{folder}: may not be written, as the rotation of a log needs; choose another place"
                )
            self._file = self._open()
        except OutputError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            if error.errno not in {ENOSPC, EDQUOT}:  # there may be room later
                raise ConfigError(
                    f"{self._path}: cannot be written ({error.strerror}); choose another place"
                ) from error

    def _current(self, more: int) -> FileIO:
        """The file that stands at the path, with room for ``more`` bytes."""
        if self._file and not self._is_at_path(self._file):
            self._file.close()
            self._file = None
        self._file = self._file or self._open()
        size = os.fstat(self._file.fileno()).st_size
        if size and size + more > self._most:
            with self._file as full:
                self._file = None
                os.fsync(full.fileno())
                self._rotate()
            self._file = self._open()
        return self._file

    def _is_at_path(self, file: FileIO) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        free = next(
            (n for n in range(1, self._files) if not self._numbered(n).exists()), self._files - 1
        )
        for n in range(free, 0, -1):
            self._numbered(n - 1).replace(self._numbered(n))

    def _numbered(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}") if n else self._path

    def _open(self) -> FileIO:
        """The file, made where there is none, mended and locked."""
        if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
            raise OutputError(f"{self._path}: is no regular file; name another")
        file = FileIO(self._path, "a+")
        try:
            self._lock(file)
            self._mend(file)
            if self._fsync != "never":
                sync_folder(self._path.parent)
        except BaseException:
            file.close()
            raise
        return file

    def _lock(self, file: FileIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self._path}: another process writes it; name another file"
            ) from error

    def _mend(self, file: FileIO) -> None:
        """Leave whole lines only; a file of something else is not touched."""
        start = max(0, file.seek(0, os.SEEK_END) - TAIL)
        file.seek(0)
        first = file.read(TAIL).partition(b"\n")[0]
        file.seek(start)
        tail = file.read(TAIL)
        whole = mended(first, tail)
        if whole is None or (start and not whole):
            raise OutputError(
                f"{self._path}: holds something else than JSON lines; name another file"
            )
        if len(whole) > len(tail):
            self._append(file, b"\n")
        elif len(whole) < len(tail):
            file.truncate(start + len(whole))

    def _append(self, file: FileIO, text: bytes) -> None:
        """All of ``text`` or nothing."""
        size = os.fstat(file.fileno()).st_size
        try:
            while text:  # a disk that fills takes a part first and says why with the rest
                text = text[file.write(text) :]
        except OSError:
            self._file = None  # opened anew for the next line, and mended should truncating fail
            with file:
                file.truncate(size)
            raise


def mended(first: bytes, tail: bytes) -> bytes | None:
    """What should stand at the end of a log instead of ``tail``; None if this is no log.

    ``first`` is the first line of the file. A power cut leaves a part of a line, and zeros where data had not
    reached the disk.
    """
    *lines, torn = tail.split(b"\n")
    if _is_line(torn):
        return tail + b"\n" if _is_line(first) else None
    begun = not lines and torn[:1] in {b"", b"{", b"\0"}  # the very first line was torn
    while lines and not _is_line(lines[-1]):
        lines.pop()
    if begun or (lines and (_is_line(first) or first.startswith(b"\0"))):
        return b"".join(line + b"\n" for line in lines)
    return None


def _is_line(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


@dataclass(frozen=True)
class LogOptions:
    """The values of the options."""

    log: Path | None
    log_megabytes: float
    log_files: int
    log_fsync: Sync


def open_log(options: LogOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to a `LineFile`, if there is a path."""
    if not options.log:
        return None
    sink = LineFile(
        options.log,
        megabytes=options.log_megabytes,
        files=options.log_files,
        fsync=options.log_fsync,
    )
    return OpenOutput([context.outbox(sink)])


OUTPUT = Output(OPTIONS, LogOptions, open_log)
