"""Appends lines as JSON to a file of limited size that can always be parsed.

    PATH.2 -> PATH.3      PATH is full: each file is renamed to the next number,
    PATH.1 -> PATH.2      up to the first number that is free, or else over the last file
    PATH   -> PATH.1
    PATH                  opened again

A process that is killed between two of these steps loses nothing: the number that is missing is the
free one of the next rotation. A line is written whole or not at all: when the disk is full, the
part of a line is cut off again; after a power cut the file is repaired when it is opened. A file
that somebody moves or deletes (logrotate) is opened again.
"""

import fcntl
import os
import stat
from errno import EDQUOT, ENOSPC
from io import FileIO
from pathlib import Path
from typing import Literal, get_args

from ...errors import ConfigError
from ...system.files import sync_folder
from ..lines import RunLine, ScoreLine
from ..sink import OutputError, Sink
from .repair import repaired_tail

Sync = Literal["always", "events", "never"]  # events: after all lines but scores

TAIL_BYTES = 1 << 20  # at the end of a file, that are checked when it is opened; no line is longer


class LogFile(Sink[RunLine]):
    """A sink that appends lines to a file, and rotates it."""

    name = "log"

    def __init__(
        self,
        path: Path,
        *,
        megabytes: float = 10.0,
        files: int = 5,
        fsync: Sync = "events",
        tail_bytes: int = TAIL_BYTES,
    ) -> None:
        """Open and repair the file.

        megabytes: maximum size of one file, 1e6 bytes.
        files: number of files: ``path`` and the full ones.
        fsync: which lines are on the disk when `deliver` returns. A full file is, before it is
            renamed.
        tail_bytes: how much of the end of a file is checked when it is opened.

        Raises ConfigError for a file that cannot be written, is no log of edgeae, or is written by
        another process.
        """
        if not megabytes > 0:
            raise ConfigError(f"{path}: a log of {megabytes:g} megabytes is none; give more than 0")
        if files < 2:
            raise ConfigError(
                f"{path}: a log needs 2 files or more to delete the oldest, not {files}; give more"
            )
        if fsync not in get_args(Sync):
            raise ConfigError(f"{path}: fsync is {', '.join(get_args(Sync))}, not {fsync!r}")
        self._path = Path(os.path.realpath(path))
        self._max_bytes = megabytes * 1e6
        self._files = files
        self._fsync = fsync
        self._tail_bytes = tail_bytes
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
        """Open the file now, so that a wrong path is an error at once, not a month later."""
        folder = self._path.parent
        try:
            if not folder.is_dir():
                raise ConfigError(f"{self._path}: there is no folder {folder}; create it first")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise ConfigError(
                    f"{folder}: may not be written, which the rotation of a log needs; "
                    "choose another place"
                )
            self._file = self._open()
        except OutputError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            if error.errno not in {ENOSPC, EDQUOT}:  # there may be room later
                raise ConfigError(
                    f"{self._path}: cannot be written ({error.strerror}); choose another place"
                ) from error

    def _current(self, n_bytes: int) -> FileIO:
        """The file that stands at the path, with room for ``n_bytes``."""
        if self._file and not self._is_at_path(self._file):
            self._file.close()
            self._file = None
        self._file = self._file or self._open()
        size = os.fstat(self._file.fileno()).st_size
        if size and size + n_bytes > self._max_bytes:
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
        numbers = range(1, self._files)
        free = next((n for n in numbers if not self._numbered(n).exists()), self._files - 1)
        for n in range(free, 0, -1):
            self._numbered(n - 1).replace(self._numbered(n))

    def _numbered(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}") if n else self._path

    def _open(self) -> FileIO:
        """The file, locked and repaired; a new one if there is none."""
        if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
            raise OutputError(f"{self._path}: is no regular file; name another")
        file = FileIO(self._path, "a+")
        try:
            self._lock(file)
            self._repair(file)
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

    def _repair(self, file: FileIO) -> None:
        """Keep whole lines only; OutputError for a file of something else, which is not changed."""
        start = max(0, file.seek(0, os.SEEK_END) - self._tail_bytes)
        file.seek(0)
        first = file.read(self._tail_bytes).partition(b"\n")[0]
        file.seek(start)
        tail = file.read(self._tail_bytes)
        whole = repaired_tail(first, tail)
        if whole is None or (start and not whole):
            raise OutputError(
                f"{self._path}: contains something else than JSON lines; name another file"
            )
        if len(whole) > len(tail):
            self._append(file, b"\n")
        elif len(whole) < len(tail):
            file.truncate(start + len(whole))

    def _append(self, file: FileIO, text: bytes) -> None:
        """Write all of ``text`` or nothing; OSError for nothing."""
        size = os.fstat(file.fileno()).st_size
        try:
            # A disk that fills up takes a part of the text, and fails for the rest.
            while text:
                text = text[file.write(text) :]
        except OSError:
            # The next line opens the file again, which repairs it if the truncation here fails.
            self._file = None
            with file:
                file.truncate(size)
            raise
