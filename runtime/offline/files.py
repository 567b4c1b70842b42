"""`edgeae run FILES`: recordings scored as wholes, by several processes where that is worthwhile.

What a process needs to know comes as bytes; what it finds goes back as lines without number and date, which
they get in the order of the files. A tracker follows the order of the sound: there one process does all.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import click

from ..audio.channel import Channel
from ..audio.recordings import audio_files
from ..audio.sound_file import SUFFIXES
from ..errors import AudioError, ConfigError
from ..live.reporter import SourceReporter
from ..model.artifact import Artifact
from ..monitoring.drift_file import DriftFile
from ..outputs.lines import RunLine
from ..outputs.publisher import LinePublisher
from ..scoring.detector import Detector
from ..system.process_pool import in_order
from ..system.progress import bar, draws_over
from .resume import Logged


def expand(arguments: Iterable[str]) -> list[Path]:
    """Files, and the recordings in folders."""
    paths: list[Path] = []
    for path in map(Path, arguments):
        found = audio_files(path) if path.is_dir() else [path]
        if not found:
            raise ConfigError(f"{path}: holds no {', '.join(SUFFIXES)} file")
        paths += found
    return paths


def score_file(
    detector: Detector, channel: Channel, track: DriftFile | None, path: Path
) -> tuple[list[RunLine], bool]:
    """The lines of a recording, and was any window anomalous; AudioError, and no line, where it is bad."""
    report, windows = SourceReporter(detector, str(path), track), detector.read(path, channel)
    heard = (
        list(windows) if track else windows
    )  # a tracker must not learn from what turns out to be bad
    return list(report.lines(heard)), report.any_anomaly


def _scorer(artifact: bytes, channel: Channel) -> Callable[[Path], tuple[list[RunLine], bool]]:
    return partial(score_file, Detector(Artifact.from_bytes(artifact)), channel, None)


def score_files(
    detector: Detector,
    paths: Sequence[Path],
    channel: Channel,
    teller: LinePublisher,
    track: DriftFile | None = None,
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
            teller.publish(line, detector.machine)
        anomalous |= found
    return anomalous, bad
