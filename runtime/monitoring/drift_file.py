"""`edgeae run --track FILE`: the drift of a machine in a JSON file that survives restarts and power cuts.

    {"format": 1, "artifact": SHA-256 of the calibrated artifact, "machine": "pump-3",
     "saved": time, "learned": seconds of sound, "drift": [one number a coordinate]}

The file is replaced as a whole, every hour of sound and at the end. One of another artifact, machine or
calibration is refused. One that is damaged is set aside and said, and tracking begins at the calibration:
a machine has to be watched after a power cut, too.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
import numpy as np

from ..errors import ConfigError
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from ..system.atomic_file import replace_file
from ..system.digest import sha256
from .drift import DAYS, Tracker

FORMAT = 1
MOST_BYTES = 1 << 20
MOST_LEARNED = 1e10  # seconds, three centuries
TELL = 3600.0  # seconds of sound between two saves and status lines


class TrackFile:
    """A tracker that goes on where its file ends; a context that saves when it is left.

    Raises ConfigError if ``path`` cannot be used, or belongs to something else.
    """

    def __init__(self, path: Path, detector: Detector, days: float = DAYS) -> None:
        if path.suffix != ".json":
            raise ConfigError(f"--track {path}: the name of a tracker's state ends in .json")
        self._path, self.tracker = path, Tracker(detector, days)
        self._identity = {
            "format": FORMAT,
            "artifact": sha256(detector.artifact.to_bytes()).hexdigest(),
            "machine": detector.machine,
        }
        self._untold = 0.0  # seconds of sound since the last status
        self._restore()
        try:
            self.save()  # now, not after an hour, is the time to say that it fails
        except OSError as error:
            raise ConfigError(
                f"--track {path}: cannot be written ({error.strerror}); choose another place"
            ) from error

    def __enter__(self) -> Self:
        """ConfigError if another process is in it."""
        self._lock = _locked(self._path)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if words := self._saved():
            click.echo(f"edgeae: {words}", err=True)
        os.close(self._lock)

    def hear(
        self, window: Window, result: Result, seconds: float, *, alarm: bool
    ) -> dict[str, Any] | None:
        """As `Tracker.hear`; what to say in a status line, once an hour of sound."""
        self.tracker.hear(window, result, seconds, alarm=alarm)
        self._untold += seconds
        if self._untold < TELL:
            return None
        self._untold = 0.0
        words = self._saved()
        return {**self.tracker.status(), **({"sentence": words} if words else {})}

    def save(self) -> None:
        """Replace the file, at once and whole; OSError if that fails."""
        learned, drift = (
            round(self.tracker.learned, 3),
            [round(value, 7) for value in self.tracker.drift.tolist()],
        )
        state = {
            **self._identity,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "learned": learned,
        }
        replace_file(self._path, json.dumps({**state, "drift": drift}).encode())

    def _saved(self) -> str:
        """Save; in words, why that failed. The machine is watched all the same."""
        try:
            self.save()
        except OSError as error:
            return f"{self._path}: what was tracked cannot be saved ({error.strerror}); free or mend the disk"
        return ""

    def _restore(self) -> None:
        try:
            if self._path.stat().st_size > MOST_BYTES:
                raise ConfigError(
                    f"--track {self._path}: is no state of a tracker; name another file"
                )
            text = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(
                f"--track {self._path}: cannot be read ({error.strerror}); name another file"
            ) from error
        try:
            state = json.loads(text)
            self._check(state)
            drift = _finite(state["drift"], len(self.tracker.drift))
            learned = float(_finite([state["learned"]], 1)[0])
            if not 0 <= learned <= MOST_LEARNED:
                raise ValueError(f"{learned} seconds were learned")
            self.tracker.learned = learned
            self.tracker.move(drift)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self._set_aside()

    def _check(self, state: Any) -> None:
        """ConfigError for a state that is whole but of something else."""
        if not isinstance(state, dict) or "format" not in state or "artifact" not in state:
            raise ConfigError(f"--track {self._path}: is no state of a tracker; name another file")
        if state["format"] != FORMAT:
            raise ConfigError(
                f"--track {self._path}: has the format {str(state['format'])[:20]}, this edgeae reads {FORMAT}; "
                f"delete it to begin anew"
            )
        if {key: state.get(key) for key in self._identity} != self._identity:
            raise ConfigError(
                f"--track {self._path}: follows {str(state.get('machine'))[:40]} as another artifact or calibration "
                f"has it; delete it to begin anew, or name another file"
            )

    def _set_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            self._path.replace(aside)
        except OSError as error:
            raise ConfigError(
                f"--track {self._path}: is damaged and cannot be moved to {aside} ({error.strerror}); "
                f"remove one of the two"
            ) from error
        click.echo(
            f"edgeae: {self._path} is damaged and was moved to {aside}; tracking begins anew",
            err=True,
        )


def _locked(path: Path) -> int:
    """A lock that says that a process keeps ``path``, which is replaced and so cannot hold it itself."""
    try:
        lock = os.open(
            path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(f"--track {path}: another process keeps it; name another file") from error
    except OSError as error:
        raise ConfigError(
            f"--track {path}: cannot be written ({error.strerror}); choose another place"
        ) from error
    return lock


def _finite(values: Iterable[Any], n: int) -> Any:
    """``values`` as (n,) finite numbers, or ValueError."""
    array = np.array(values, np.float64)
    if array.shape != (n,) or not np.isfinite(array).all():
        raise ValueError("it does not hold what it should")
    return array
