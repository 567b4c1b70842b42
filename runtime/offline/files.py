"""`edgeae run FILES`: score recordings as wholes, by several processes where that is faster.

A worker, which may be one of a cluster, gets the artifact as bytes. It returns lines without
sequence number and time; the main process adds those, in the order of the files. A tracker follows
the order of the sound, so with a tracker one process does everything.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from ..audio.channel import Channel
from ..audio.file_types import SUFFIXES
from ..audio.folder import folder_content, ignore_report
from ..audio.other_channel import channel_with_sound
from ..errors import AudioError, printable
from ..live.reporter import SourceReporter
from ..live.verdict import Verdict
from ..model.artifact import Artifact
from ..monitoring.drift_file import DriftFile
from ..outputs.lines import RunLine
from ..outputs.publisher import LinePublisher
from ..scoring.detector import Detector
from ..system.executor import Workers, in_order_on
from ..system.path_text import path_text
from ..system.process_pool import in_order
from ..system.progress import bar, draws_over
from .resume import ResumeLog


@dataclass(frozen=True)
class ScoredFile:
    """The lines of a recording, and what they come to."""

    lines: list[RunLine]
    verdict: Verdict
    other_channel: int | None = None  # a louder one, where nothing of the read one was judged


@dataclass(frozen=True)
class ScoredFiles:
    """What scoring several recordings came to."""

    verdicts: list[Verdict]  # of each that could be read
    n_unreadable: int


def expand(
    arguments: Iterable[str],
    recursive: bool = False,
    report: Callable[[str], None] = ignore_report,
) -> list[Path]:
    """Return the files that are named, and the recordings in folders that are named.

    recursive: also those in the sub-folders of these folders.
    report: receives a sentence about files of a folder that are not read.

    Raises ConfigError for a folder without recordings.
    """
    paths: list[Path] = []
    for path in map(Path, arguments):
        if not path.is_dir():
            paths.append(path)
            continue
        content = folder_content(path, recursive=recursive)
        if not content.recordings:
            raise content.no_recording(f"holds no {', '.join(SUFFIXES)} file")
        for message in content.not_read():
            report(message)
        paths += content.recordings
    return paths


def score_file(
    detector: Detector,
    channel: Channel,
    track: DriftFile | None,
    path: Path,
    *,
    learns: bool = True,
    folder: Path | None = None,
) -> ScoredFile:
    """Score a recording. Raises AudioError, and learns nothing, if it cannot be read.

    detector: scores its windows.
    channel: the one to score.
    track: follows the drift of the machine.
    path: of the recording.
    learns: whether its charts learn.
    folder: that a relative path is in; default: the present one.
    """
    reporter = SourceReporter(detector, path_text(path), track, learns=learns)
    if folder:
        path = folder / path
    windows = detector.read(path, channel)
    if track:
        # A tracker must not learn from a file whose end turns out to be unreadable.
        windows = iter(list(windows))
    lines = list(reporter.lines(windows))
    verdict = reporter.verdict
    other_channel = channel_with_sound(path, channel) if verdict.nothing_judged else None
    return ScoredFile(lines, verdict, other_channel)


def _make_scorer(
    artifact: bytes, channel: Channel, learns: bool, folder: Path
) -> Callable[[Path], ScoredFile]:
    """Return what a worker process does with each file."""
    detector = Detector(Artifact.from_bytes(artifact))
    return partial(score_file, detector, channel, None, learns=learns, folder=folder)


def score_files(
    detector: Detector,
    paths: Sequence[Path],
    channel: Channel,
    publisher: LinePublisher,
    track: DriftFile | None = None,
    *,
    jobs: int = 1,
    workers: Workers | None = None,
    resume_log: ResumeLog | None = None,
    learns: bool = True,
) -> ScoredFiles:
    """Score recordings and publish their lines, in the order of the recordings.

    detector: scores their windows.
    paths: of the recordings.
    channel: the one to score.
    publisher: receives the lines.
    track: follows the drift of the machine.
    jobs: number of processes; one with a tracker.
    workers: score in the place of processes of this computer; they see the same files.
    resume_log: results of earlier runs, which are not published again.
    learns: whether the charts of each recording learn.
    """
    verdicts: list[Verdict] = []
    remaining = list(paths)
    if resume_log:
        verdicts = [
            resume_log.results(path).verdict for path in paths if resume_log.is_complete(path)
        ]
        remaining = [path for path in paths if not resume_log.is_complete(path)]
    if not track and (workers or jobs > 1):
        make = partial(_make_scorer, detector.artifact.to_bytes(), channel, learns, Path.cwd())
        if workers:
            scored = in_order_on(workers, remaining, make)
        else:
            scored = in_order(remaining, make, jobs)
    else:
        score = partial(score_file, detector, channel, track, learns=learns)
        scored = in_order(remaining, lambda: score, 1)
    n_unreadable = 0
    for path, get_result in bar(
        scored, len(remaining), "recordings", hidden=draws_over(sys.stdout)
    ):
        try:
            result = get_result()
        except AudioError as error:
            click.echo(f"edgeae: {error}", err=True)
            n_unreadable += 1
            continue
        n_published = resume_log.results(path).n_lines if resume_log else 0
        for line in result.lines[n_published:]:
            publisher.publish(line, detector.machine)
        verdicts.append(result.verdict)
        if result.other_channel is not None:
            message = f"{path}: silent, but channel {result.other_channel} is not; "
            click.echo(
                printable(f"edgeae: {message}give --channel {result.other_channel}"), err=True
            )
    return ScoredFiles(verdicts, n_unreadable)
