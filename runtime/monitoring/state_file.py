"""A JSON file with the state of one machine that survives power cuts, for one process at a time.

    {"format": 1, "artifact": SHA-256 of the calibrated artifact, "machine": "pump-3",
     "saved": time, ...}

The file is replaced as a whole. A file of another machine, or something else, is refused; a damaged
one is renamed and reported, because the machine has to be monitored after a power cut, too.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from ..errors import ConfigError
from ..scoring.detector import Detector
from ..system.digest import sha256
from ..system.files import FileLock, lock_named, replace_file, unwritable
from ..system.schema import JsonObject

FORMAT = 1
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class StateKind:
    """What a state file is for, in the words of its messages."""

    option: str  # of `edgeae run`, such as --track
    owner: str  # such as "a tracker's file"
    content: str  # such as "the drift"
    restart: str  # what happens without the file
    replaces_other_calibration: bool = False  # of the same machine; False: it is refused


class StateFile:
    """The file of one source; a context that locks it.

    The owner calls `restore` once, then `save`. Raises ConfigError if ``path`` cannot be used, or
    belongs to something else.
    """

    def __init__(self, path: Path, detector: Detector, kind: StateKind) -> None:
        self.path = path
        self._kind = kind
        if path.suffix != ".json":
            raise ConfigError(
                f"{self._name}: the name of {kind.owner} ends in .json; choose such a name"
            )
        self._identity: JsonObject = {
            "format": FORMAT,
            "artifact": sha256(detector.artifact.to_bytes()).hexdigest(),
            "machine": detector.machine,
        }
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        """ConfigError if another process uses the file."""
        self._lock = lock_named(self._kind.option, self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock:
            self._lock.release()

    def restore(self, apply: Callable[[JsonObject], None]) -> bool:
        """Call ``apply`` with the content of the file, if there is one; returns whether it was.

        If ``apply`` raises ValueError, KeyError, TypeError or OverflowError, the file is damaged.
        """
        content = self._read()
        if content is None:
            return False
        try:
            state = json.loads(content)
            if self._is_of_this_calibration(state):
                apply(state)
                return True
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self._set_aside("damaged", "is damaged")
            return False
        self._set_aside("earlier", "belongs to another calibration of the machine")
        return False

    def save(self, state: Mapping[str, object]) -> None:
        """Replace the file as a whole; OSError if that fails."""
        saved = datetime.now(UTC).isoformat(timespec="seconds")
        replace_file(self.path, json.dumps({**self._identity, "saved": saved, **state}).encode())

    def save_first(self, state: Mapping[str, object]) -> None:
        """Save at the start, so that a file that cannot be written is reported; ConfigError."""
        try:
            self.save(state)
        except OSError as error:
            raise unwritable(self._kind.option, self.path, error) from error

    def try_to_save(self, state: Mapping[str, object]) -> str:
        """Save; returns why that failed, or nothing. Monitoring goes on either way."""
        try:
            self.save(state)
        except OSError as error:
            return (
                f"{self.path}: {self._kind.content} cannot be saved ({error.strerror}); "
                f"free space on the disk or repair it"
            )
        return ""

    @property
    def _name(self) -> str:
        return f"{self._kind.option} {self.path}"

    def _read(self) -> bytes | None:
        """The content of the file; None if there is no file."""
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                raise self._foreign()
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                f"{self._name}: cannot be read ({error.strerror}); name another file"
            ) from error

    def _foreign(self) -> ConfigError:
        return ConfigError(f"{self._name}: is not {self._kind.owner}; name another file")

    def _is_of_this_calibration(self, state: object) -> bool:
        """False for a state that may be replaced; ConfigError for another one that is complete."""
        if not isinstance(state, dict) or "format" not in state or "artifact" not in state:
            raise self._foreign()
        if state["format"] != FORMAT:
            raise ConfigError(
                f"{self._name}: has the format {str(state['format'])[:20]}, "
                f"this edgeae reads {FORMAT}; delete it to start again"
            )
        if {key: state.get(key) for key in self._identity} == self._identity:
            return True
        is_same_machine = state.get("machine") == self._identity["machine"]
        if self._kind.replaces_other_calibration and is_same_machine:
            return False
        raise ConfigError(
            f"{self._name}: belongs to {str(state.get('machine'))[:40]} in another "
            f"artifact or calibration; delete it to start again, or name another file"
        )

    def _set_aside(self, suffix: str, reason: str) -> None:
        """Rename the file, and report that."""
        aside = self.path.with_name(f"{self.path.name}.{suffix}")
        try:
            self.path.replace(aside)
        except OSError as error:
            raise ConfigError(
                f"{self._name}: {reason} and cannot be moved to {aside} "
                f"({error.strerror}); remove one of the two"
            ) from error
        click.echo(
            f"edgeae: {self.path} {reason} and was moved to {aside}; {self._kind.restart}",
            err=True,
        )


class KeptState(ABC):
    """What a state file keeps; a context that locks the file, and saves at its end."""

    def __init__(self, path: Path, detector: Detector, kind: StateKind) -> None:
        self._file = StateFile(path, detector, kind)

    def __enter__(self) -> Self:
        """ConfigError if another process uses the file."""
        self._file.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if failure := self._file.try_to_save(self._state()):
            click.echo(f"edgeae: {failure}", err=True)
        self._file.__exit__(kind, error, trace)

    @abstractmethod
    def _state(self) -> JsonObject:
        """What is saved."""
