"""Lines that wait until they can be sent: in a folder, where they survive kill -9 and restarts,
or in memory.

    FOLDER/000000000041.json           the oldest, sent next
    FOLDER/000000000042.json           written under another name and renamed: there whole, or
    not at all
    FOLDER/000000000040.json.damaged   set aside

Beyond the limit the oldest is dropped. While the folder cannot be written (a full disk) lines
wait in memory.
"""

import fcntl
import json
import os
from errno import EACCES
from pathlib import Path
from threading import Lock

from ...errors import ConfigError
from ...system.atomic_file import replace_file


class Spool:
    """At most ``limit`` lines. ConfigError for a folder that cannot be used."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        if limit < 1:
            raise ConfigError(f"a spool for {limit} lines holds none; give 1 or more")
        self.lost = 0  # lines that were dropped or are damaged
        self.trouble: str | None = None  # why the folder is not used
        self._folder = folder
        self._limit = limit
        self._lock = Lock()
        self._held: int | None = None  # a descriptor of the folder, with a lock on it
        self._waiting: dict[
            int, bytes | None
        ] = {}  # the oldest first; None where a file holds the line
        if folder:
            self._begin(folder)
        self._number = max(self._waiting, default=0)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit

    def put(self, line: bytes) -> None:
        with self._lock:
            self._number += 1
            self._waiting[self._number] = None if self._saved(self._number, line) else line
            self._drop()

    def oldest(self) -> tuple[int, bytes] | None:
        """The number of the line to send next, and the line."""
        with self._lock:
            while self._waiting:
                number, line = next(iter(self._waiting.items()))
                line = self._read(number) if line is None else line
                if line is not None:
                    return number, line
                del self._waiting[number]
                self.lost += 1
            return None

    def remove(self, number: int) -> None:
        """Done with; nothing if it was dropped meanwhile."""
        with self._lock:
            if number in self._waiting and self._waiting.pop(number) is None:
                self._delete(number)

    def close(self) -> None:
        """What waits in memory is lost."""
        with self._lock:
            self.lost += sum(line is not None for line in self._waiting.values())
            self._waiting.clear()
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _begin(self, folder: Path) -> None:
        """Find what waits since the last time."""
        try:
            folder.mkdir(exist_ok=True)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
            self._held = locked(folder)
            for unfinished in folder.glob(".*.json.*"):
                unfinished.unlink()
            numbers = sorted(
                int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()
            )
        except BlockingIOError as error:
            raise ConfigError(
                f"{folder}: another process keeps its lines there; name another folder"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot keep lines ({error.strerror}); name another folder"
            ) from error
        self._waiting = dict.fromkeys(numbers)
        self._drop()

    def _drop(self) -> None:
        while len(self._waiting) > self._limit:
            number = next(iter(self._waiting))
            if self._waiting.pop(number) is None:
                self._delete(number)
            self.lost += 1

    def _path(self, number: int) -> Path:
        assert self._folder
        return self._folder / f"{number:012d}.json"

    def _saved(self, number: int, line: bytes) -> bool:
        if self._held is None:
            return False
        try:
            replace_file(self._path(number), line)
            os.fsync(self._held)  # its name, too, survives a power cut
        except OSError as error:
            self.trouble = (
                f"{self._folder}: cannot be written ({error.strerror}); lines wait in memory"
            )
            return False
        self.trouble = None
        return True

    def _read(self, number: int) -> bytes | None:
        """A line, None if its file is gone or was set aside."""
        path = self._path(number)
        try:
            line = path.read_bytes()
            json.loads(line)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            self._set_aside(path)
            return None
        return line

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        try:
            path.replace(aside)
        except OSError as error:
            self.trouble = f"{path}: cannot be read or moved ({error.strerror}); delete it"
        else:
            self.trouble = f"{path}: was damaged and is now {aside.name}"

    def _delete(self, number: int) -> None:
        try:
            self._path(number).unlink(missing_ok=True)
        except OSError as error:
            self.trouble = (
                f"{self._path(number)}: cannot be deleted ({error.strerror}) and will be sent again"
            )


def locked(folder: Path) -> int:
    """A descriptor that keeps others out of a folder while it is open; BlockingIOError if one is
    there."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held
