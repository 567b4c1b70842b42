"""`edgeae run FILES`: recordings scored as wholes, by several processes where that is worthwhile.

What a process needs to know comes as bytes; what it finds goes back as lines without number and date, which
they get in the order of the files. A tracker follows the order of the sound: there one process does all.
"""

import glob
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..audio.channel import Channel
from ..audio.recordings import audio_files
from ..audio.sound_file import SUFFIXES
from ..errors import AudioError, ConfigError
from ..live.reporter import Report
from ..model.artifact import Artifact
from ..monitoring.drift_file import TrackFile
from ..outputs.lines import PROGRAM, Teller
from ..outputs.outbox import Line
from ..scoring.detector import Detector
from ..system.process_pool import in_order
from ..system.progress import bar, draws_over


def expand(arguments: Iterable[str]) -> list[Path]:
    """Files, and the recordings in folders."""
    paths: list[Path] = []
    for path in map(Path, arguments):
        found = audio_files(path) if path.is_dir() else [path]
        if not found:
            raise ConfigError(f"{path}: holds no {', '.join(SUFFIXES)} file")
        paths += found
    return paths


def score_file(detector: Detector, channel: Channel, track: TrackFile | None, path: Path) -> tuple[list[Line], bool]:
    """The lines of a recording, and was any window anomalous; AudioError, and no line, where it is bad."""
    report, windows = Report(detector, str(path), track), detector.read(path, channel)
    heard = list(windows) if track else windows  # a tracker must not learn from what turns out to be bad
    return list(report.lines(heard)), report.anomalous


def _scorer(artifact: bytes, channel: Channel) -> Callable[[Path], tuple[list[Line], bool]]:
    return partial(score_file, Detector(Artifact.from_bytes(artifact)), channel, None)


def score_files(
    detector: Detector,
    paths: Sequence[Path],
    channel: Channel,
    teller: Teller,
    track: TrackFile | None = None,
    *,
    jobs: int = 1,
    logged: "Logged | None" = None,
) -> tuple[bool, int]:
    """Score each file as a whole; (was any anomalous, how many could not be read).

    jobs: processes, of which a tracker has one; logged: what is not told again.
    """
    told = {path: logged.told(path) for path in paths} if logged else {}
    anomalous, bad = any(found.anomalous for found in told.values()), 0
    left = [path for path in paths if not (logged and logged.holds(path))]
    if jobs > 1 and not track:
        make = partial(_scorer, detector.artifact.to_bytes(), channel)
        scored = in_order(left, make, jobs)
    else:
        scored = in_order(left, lambda: partial(score_file, detector, channel, track), 1)
    for path, result in bar(scored, len(left), "recordings", hidden=draws_over(sys.stdout)):
        try:
            lines, found = result()
        except AudioError as error:
            click.echo(f"edgeae: {error}", err=True)
            bad += 1
            continue
        for line in lines[told[path].lines if path in told else 0 :]:
            teller.tell(line, detector.machine)
        anomalous |= found
    return anomalous, bad


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

    def _is_own(self, line: Line) -> bool:
        """Thresholds tell artifacts apart; the lines between two scores go with the one before."""
        source = line["source"]
        if line["type"] == "score":
            if (line["threshold"], line["machine"]) == (self._detector.threshold.value, self._detector.machine):
                self._foreign.discard(source)
            else:
                self._foreign.add(source)
                self._sources.pop(source, None)
        return source not in self._foreign

    def _add(self, line: Line) -> None:
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
    numbered = (path for path in log.parent.glob(f"{glob.escape(log.name)}.*") if path.suffix[1:].isdecimal())
    return [*sorted(numbered, key=lambda path: -int(path.suffix[1:])), *([log] if log.exists() else [])]


def _lines(logs: Iterable[Path]) -> Iterator[Line]:
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
    if not isinstance(line, dict) or any(not isinstance(line.get(key), str) for key in ("type", "time", "source")):
        return False
    datetime.fromisoformat(line["time"]).timestamp()
    return isinstance(line.get("seq"), int) and "machine" in line and ("threshold" in line or line["type"] != "score")
