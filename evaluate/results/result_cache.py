"""What an evaluation has found so far, in a file: after an interruption it is not computed again.

A line is ``[key, value]``; the key is the SHA-256 of all that decides the value. The last line may be torn.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

NAME = "unfinished.jsonl"


class Memo:
    """JSON values by key, in a file if one is named; a context that deletes it when it is left without an error."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._known = path, dict[str, Any]()
        self._file: TextIO | None = None
        if path and path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    with suppress(ValueError, TypeError, RecursionError):
                        key, value = json.loads(line)
                        self._known[key] = value

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def value(self, key: str, compute: Callable[[], Any]) -> Any:
        """What is known, else what ``compute`` gives, which then is known."""
        if key not in self._known:
            self._known[key] = compute()
            self._keep(key)
        return self._known[key]

    def _keep(self, key: str) -> None:
        if self._path and not self._file:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
            self._file.write("\n")  # ends a line that is torn
        if self._file:
            self._file.write(json.dumps([key, self._known[key]]) + "\n")

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


def key_of(*parts: Any, files: Iterable[Path] = ()) -> str:
    """The key of a value that this version gives for ``parts``, of JSON, and files, which name, size and times tell."""
    return hashlib.sha256(
        json.dumps([version("edgeae"), parts, list(map(_stamp, files))]).encode()
    ).hexdigest()


def _stamp(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:  # said when it is read
        return [str(path)]
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
