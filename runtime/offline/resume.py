"""What an earlier run has already scored, read from its log."""

import glob
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..outputs.lines import PROGRAM, JsonObject
from ..scoring.detector import Detector


@dataclass
class _Told:
    """Of one source in a log."""

    lines: int = 0
    time: float = 0.0  # of the last, seconds since 1970
    anomalous: bool = False


class Logged:
    """What a log already holds of recordings that ``detector`` scored, for a run that goes on behind it.

    Of the last recording of a process some lines may be missing; each other one is complete, for lines come in the
    order of the files, and their numbers begin anew with a process. A recording that was written since, or scored by
    another artifact, is not held.
    """

    def __init__(self, logs: Iterable[Path], detector: Detector) -> None:
        self._detector = detector
        self._sources: dict[str, _Told] = {}
        self._foreign: set[str] = set()  # whose last score is another artifact's
        self._open: set[str] = set()  # of which some lines may be missing
        last, before = "", -1
        for line in _lines(logs):
            source, begins, before = line["source"], line["seq"] <= before, line["seq"]
            if begins and last:  # a process that was interrupted with it
                self._open.add(last)
            if source == PROGRAM:
                continue
            if source != last and not begins:
                self._open.discard(last)
            last = source
            if self._is_own(line):
                self._add(line)
        self._open.add(last)

    def _is_own(self, line: JsonObject) -> bool:
        """Thresholds tell artifacts apart; the lines between two scores go with the one before."""
        source = line["source"]
        if line["type"] == "score":
            if (line["threshold"], line["machine"]) == (
                self._detector.threshold.value,
                self._detector.machine,
            ):
                self._foreign.discard(source)
            else:
                self._foreign.add(source)
                self._sources.pop(source, None)
        return source not in self._foreign

    def _add(self, line: JsonObject) -> None:
        told = self._sources.setdefault(line["source"], _Told())
        told.lines += 1
        told.time = datetime.fromisoformat(line["time"]).timestamp()
        told.anomalous |= bool(line.get("anomaly"))

    def told(self, path: Path) -> _Told:
        """What is there of a recording that was not written since."""
        told = self._sources.get(str(path), _Told())
        with suppress(OSError):  # said when it is read
            return told if path.stat().st_mtime <= told.time else _Told()
        return _Told()

    def holds(self, path: Path) -> bool:
        """All lines of the recording are there."""
        return str(path) not in self._open and self.told(path).lines > 0


def logs_of(log: Path) -> list[Path]:
    """A log and the full ones before it, the oldest first."""
    numbered = (
        path
        for path in log.parent.glob(f"{glob.escape(log.name)}.*")
        if path.suffix[1:].isdecimal()
    )
    return [
        *sorted(numbered, key=lambda path: -int(path.suffix[1:])),
        *([log] if log.exists() else []),
    ]


def _lines(logs: Iterable[Path]) -> Iterator[JsonObject]:
    """The lines of `edgeae run`; what else a log may hold is passed over."""
    for log in logs:
        with log.open("rb") as file:
            for text in file:
                with suppress(ValueError, OverflowError, RecursionError):
                    line = json.loads(text)
                    if _is_line(line):
                        yield line


def _is_line(line: Any) -> bool:
    """ValueError for one with an impossible time."""
    if not isinstance(line, dict) or any(
        not isinstance(line.get(key), str) for key in ("type", "time", "source")
    ):
        return False
    datetime.fromisoformat(line["time"]).timestamp()
    return (
        isinstance(line.get("seq"), int)
        and "machine" in line
        and ("threshold" in line or line["type"] != "score")
    )
