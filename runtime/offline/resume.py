"""Results of earlier runs, read from the log, for --resume."""

import glob
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..live.verdict import Verdict
from ..outputs.lines import PROGRAM
from ..scoring.detector import Detector
from ..system.path_text import path_text


@dataclass
class LoggedResults:
    """The lines of one recording in a log."""

    n_lines: int = 0
    last_time: float = 0.0  # of the last line, seconds since 1970
    verdict: Verdict = field(default_factory=Verdict)


@dataclass(frozen=True)
class LoggedLine:
    """What --resume needs of a line in a log."""

    kind: str
    time: float  # seconds since 1970
    source: str
    sequence: int
    machine: object
    threshold: object  # of a score; None for other lines
    anomaly: bool
    health: str  # of a score
    phase: str  # of an event

    @property
    def is_score(self) -> bool:
        """True for the score of a window."""
        return self.kind == "score"


class ResumeLog:
    """Results of earlier runs of the same artifact, read from the log, for --resume.

    Within one process (the sequence restarts at 0) only the last recording can be incomplete,
    because files are written in order. Results of a recording that was modified since, or that
    another artifact scored, do not count.
    """

    def __init__(self, logs: Iterable[Path], detector: Detector) -> None:
        """logs: the log and the full ones before it, the oldest first. detector: of this run."""
        self._threshold = detector.threshold.value
        self._machine = detector.machine
        self._results: dict[str, LoggedResults] = {}
        # Recordings whose last score is of another artifact.
        self._other_artifact: set[str] = set()
        # Recordings of which some lines may be missing.
        self._incomplete: set[str] = set()
        last_source = ""
        last_sequence = -1
        for line in _read_lines(logs):
            new_process = line.sequence <= last_sequence
            last_sequence = line.sequence
            if new_process and last_source:
                # The process before may have been interrupted while it scored this recording.
                self._incomplete.add(last_source)
            if line.source == PROGRAM:
                continue
            if line.source != last_source and not new_process:
                self._incomplete.discard(last_source)
            last_source = line.source
            if self._is_of_this_artifact(line):
                self._add(line)
        self._incomplete.add(last_source)

    def results(self, path: Path) -> LoggedResults:
        """Return the results of a recording; none if it was modified after they were logged."""
        results = self._results.get(path_text(path), LoggedResults())
        # A file that cannot be opened is reported when it is scored.
        with suppress(OSError):
            if path.stat().st_mtime <= results.last_time:
                return results
        return LoggedResults()

    def is_complete(self, path: Path) -> bool:
        """True if all lines of the recording are in the log."""
        return path_text(path) not in self._incomplete and self.results(path).n_lines > 0

    def _is_of_this_artifact(self, line: LoggedLine) -> bool:
        """Compare machine and threshold of a score; lines in between go with the score before."""
        if line.is_score:
            if (line.threshold, line.machine) == (self._threshold, self._machine):
                self._other_artifact.discard(line.source)
            else:
                self._other_artifact.add(line.source)
                self._results.pop(line.source, None)
        return line.source not in self._other_artifact

    def _add(self, line: LoggedLine) -> None:
        results = self._results.setdefault(line.source, LoggedResults())
        results.n_lines += 1
        results.last_time = line.time
        if line.is_score:
            results.verdict.add_window(line.health, anomaly=line.anomaly)
        elif line.kind == "event":
            results.verdict.add_event(line.phase)


def log_files(log: Path) -> list[Path]:
    """Return a log and the full ones before it (LOG.1 is the newest of them), the oldest first."""
    numbered = [
        path
        for path in log.parent.glob(f"{glob.escape(log.name)}.*")
        if path.suffix[1:].isdecimal()
    ]
    paths = sorted(numbered, key=lambda path: int(path.suffix[1:]), reverse=True)
    if log.exists():
        paths.append(log)
    return paths


def _read_lines(logs: Iterable[Path]) -> Iterator[LoggedLine]:
    """Yield the lines of `edgeae run`; whatever else a log contains is skipped."""
    for log in logs:
        with log.open("rb") as file:
            for text in file:
                with suppress(ValueError, OverflowError, RecursionError):
                    line = _parse(json.loads(text))
                    if line:
                        yield line


def _parse(line: object) -> LoggedLine | None:
    """Return a line of `edgeae run`; None for anything else. ValueError for an impossible time."""
    if not isinstance(line, dict):
        return None
    kind = line.get("type")
    time = line.get("time")
    source = line.get("source")
    sequence = line.get("seq")
    if not (isinstance(kind, str) and isinstance(time, str) and isinstance(source, str)):
        return None
    is_score = kind == "score"
    is_whole = "machine" in line and ("threshold" in line or not is_score)
    if not isinstance(sequence, int) or not is_whole:
        return None
    return LoggedLine(
        kind=kind,
        time=datetime.fromisoformat(time).timestamp(),
        source=source,
        sequence=sequence,
        machine=line["machine"],
        threshold=line.get("threshold"),
        anomaly=bool(line.get("anomaly")),
        health=str(line.get("health")),
        phase=str(line.get("event")),
    )
