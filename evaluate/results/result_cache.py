"""The results of an unfinished evaluation, in a file from which the next one continues.

A line is ``[key, value]``; the key is the SHA-256 of everything that decides the value. A process
that is killed can leave an incomplete last line, which is ignored.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

FILE_NAME = "unfinished.jsonl"


class ResultCache:
    """JSON values by key, in a file if a path is given.

    A context manager: leaving it without an error deletes the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._values: dict[str, object] = {}
        if path and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(ValueError, TypeError, RecursionError):
                    key, value = json.loads(line)
                    self._values[key] = value

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get_or_compute(self, key: str, compute: Callable[[], object]) -> object:
        """The stored value; if there is none, the result of ``compute``, which is stored."""
        if key not in self._values:
            self._values[key] = compute()
            self._append(key)
        return self._values[key]

    def _append(self, key: str) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
            self._file.write("\n")  # ends an incomplete line
        self._file.write(json.dumps([key, self._values[key]]) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()
        if self._path and not error:
            self._path.unlink(missing_ok=True)


def key_of(*parts: object, files: Iterable[Path] = ()) -> str:
    """The key of the value that this version of edgeae computes from ``parts`` and files.

    parts: values that JSON can hold
    files: identified by path, size, times and inode
    """
    content = [version("edgeae"), parts, [_stamp(path) for path in files]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stamp(path: Path) -> list[str | int]:
    try:
        stat = path.stat()
    except OSError:  # reported when the file is read
        return [str(path)]
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
