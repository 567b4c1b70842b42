"""`edgeae run --track FILE`: the drift of a machine in a JSON file that survives power cuts.

    {"format": 1, "artifact": SHA-256 of the calibrated artifact, "machine": "pump-3",
     "saved": time, "learned": seconds of sound, "drift": [one number a feature]}

The file is replaced as a whole, every hour of sound and at the end. A file of another artifact,
machine or calibration is refused. A damaged file is renamed and reported, and tracking begins at
the calibration: after a power cut, too, the machine has to be monitored.
"""

import fcntl
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import numpy as np

from ..errors import ConfigError
from ..scoring.detector import Detector, Result
from ..scoring.window_stream import Window
from ..system.arrays import Float64
from ..system.atomic_file import replace_file
from ..system.digest import sha256
from .drift import DEFAULT_DAYS, DEFAULT_LIMITS, DriftLimits, DriftStatus, DriftTracker

FORMAT = 1
MAX_FILE_BYTES = 1 << 20
MAX_LEARNED_SECONDS = 1e10  # three centuries


class DriftFile:
    """A tracker that continues from its file; a context that saves at its end.

    Raises ConfigError if ``path`` cannot be used, or belongs to something else.
    """

    def __init__(
        self,
        path: Path,
        detector: Detector,
        days: float = DEFAULT_DAYS,
        limits: DriftLimits = DEFAULT_LIMITS,
    ) -> None:
        if path.suffix != ".json":
            raise ConfigError(
                f"--track {path}: the name of a tracker's file ends in .json; choose such a name"
            )
        self._path = path
        self.tracker = DriftTracker(detector, days, limits)
        self._identity = {
            "format": FORMAT,
            "artifact": sha256(detector.artifact.to_bytes()).hexdigest(),
            "machine": detector.machine,
        }
        self._seconds_since_status = 0.0  # of sound
        self._restore()
        try:
            self.save()  # so that a file that cannot be written is reported now
        except OSError as error:
            raise _unwritable(path, error) from error

    def __enter__(self) -> Self:
        """ConfigError if another process uses the file."""
        self._lock = _locked(self._path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if failure := self._try_to_save():
            click.echo(f"edgeae: {failure}", err=True)
        os.close(self._lock)

    def update(
        self, window: Window, result: Result, seconds: float, *, alarm: bool
    ) -> DriftStatus | None:
        """`DriftTracker.update`; saves and returns a status once an hour of sound."""
        self.tracker.update(window, result, seconds, alarm=alarm)
        self._seconds_since_status += seconds
        if self._seconds_since_status < self.tracker.limits.status_seconds:
            return None
        self._seconds_since_status = 0.0
        status = self.tracker.status()
        failure = self._try_to_save()
        return replace(status, sentence=failure) if failure else status

    def save(self) -> None:
        """Replace the file as a whole; OSError if that fails."""
        state = {
            **self._identity,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "learned": round(self.tracker.learned_seconds, 3),
            "drift": [round(value, 7) for value in self.tracker.drift.tolist()],
        }
        replace_file(self._path, json.dumps(state).encode())

    def _try_to_save(self) -> str:
        """Save; returns why that failed, or nothing. Monitoring goes on either way."""
        try:
            self.save()
        except OSError as error:
            return (
                f"{self._path}: the drift cannot be saved ({error.strerror}); "
                f"free space on the disk or repair it"
            )
        return ""

    def _restore(self) -> None:
        """Continue from the file, if there is one; a damaged one is renamed."""
        content = self._read()
        if content is None:
            return
        try:
            state = json.loads(content)
            self._check(state)
            drift = _finite(state["drift"], len(self.tracker.drift))
            learned_seconds = float(_finite([state["learned"]], 1)[0])
            if not 0 <= learned_seconds <= MAX_LEARNED_SECONDS:
                raise ValueError(f"{learned_seconds} seconds were learned")
            self.tracker.set_drift(drift)
            self.tracker.learned_seconds = learned_seconds
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self._set_aside()

    def _read(self) -> bytes | None:
        """The content of the file; None if there is no file."""
        try:
            if self._path.stat().st_size > MAX_FILE_BYTES:
                raise self._foreign()
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                f"--track {self._path}: cannot be read ({error.strerror}); name another file"
            ) from error

    def _foreign(self) -> ConfigError:
        return ConfigError(f"--track {self._path}: is not a tracker's file; name another file")

    def _check(self, state: object) -> None:
        """ConfigError for a file that is complete but belongs to something else."""
        if not isinstance(state, dict) or "format" not in state or "artifact" not in state:
            raise self._foreign()
        if state["format"] != FORMAT:
            raise ConfigError(
                f"--track {self._path}: has the format {str(state['format'])[:20]}, "
                f"this edgeae reads {FORMAT}; delete it to start again"
            )
        if {key: state.get(key) for key in self._identity} != self._identity:
            raise ConfigError(
                f"--track {self._path}: belongs to {str(state.get('machine'))[:40]} in another "
                f"artifact or calibration; delete it to start again, or name another file"
            )

    def _set_aside(self) -> None:
        """Rename the damaged file, and report that."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            self._path.replace(aside)
        except OSError as error:
            raise ConfigError(
                f"--track {self._path}: is damaged and cannot be moved to {aside} "
                f"({error.strerror}); remove one of the two"
            ) from error
        click.echo(
            f"edgeae: {self._path} is damaged and was moved to {aside}; tracking starts again",
            err=True,
        )


def _locked(path: Path) -> int:
    """A descriptor whose lock marks ``path`` as used.

    The lock is on a second file, because ``path`` itself is replaced at each save.
    """
    try:
        lock = os.open(
            path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise ConfigError(
                f"--track {path}: another process uses it; name another file"
            ) from error
        raise _unwritable(path, error) from error
    return lock


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"--track {path}: cannot be written ({error.strerror}); choose another place"
    )


def _finite(values: object, n: int) -> Float64:
    """``values`` as (n,) finite numbers, or ValueError."""
    array = np.array(values, np.float64)
    if array.shape != (n,) or not np.isfinite(array).all():
        raise ValueError(f"not {n} finite numbers")
    return array
