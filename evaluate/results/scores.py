"""Evaluation of a detector on the test recordings of each machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.model.network import Network
from edgeae.runtime.scoring.calibration import calibrated, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.heads import CALIBRATABLE_KINDS, Kind
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.process_pool import jobs_for

from .recording_scores import MachineTest, RecordingScore
from .result_cache import ResultCache, key_of
from .scoring_task import Report, Scores, ScoringTask
from .stream import StreamCounts

ONE_PER_DAY = "1/day"


@dataclass(frozen=True)
class EvaluationOptions:
    """How an evaluation is made."""

    calibration_clips: int | None = None  # training recordings; None: the artifact's own head
    kind: Kind | None = None  # of the head; None: the artifact's
    channel: Channel = 0
    skip_bad: bool = False  # continue without recordings that cannot be read
    jobs: int | None = None  # processes; None: as many as there is work for
    simulate_streams: bool = True  # play the recordings as a stream, too


def evaluate_machines(
    detector: Detector,
    data: Path,
    options: EvaluationOptions,
    report: Report,
    cache: ResultCache | None = None,
) -> dict[str, MachineTest]:
    """The test of each machine of ``data``/test, by name.

    With ``options.calibration_clips`` each machine is first calibrated on so many of its training
    recordings; without, the artifact's own head is used as it is.

    report: gets a sentence about each recording that cannot be read
    cache: results in it are not computed again
    """
    base = detector.with_kind(options.kind) if options.kind else detector
    recordings = scan(data, "test")
    machines = list(by_machine(recordings))
    train = _training_recordings(data, machines, options.calibration_clips)
    detectors = {
        machine: _machine_detector(base, machine, train[machine], options, report)
        for machine in machines
    }
    task = ScoringTask(
        base=base,
        detectors=detectors,
        recordings=recordings,
        channel=options.channel,
        key=_task_key(base, options, train),
        jobs=_jobs(base, recordings, options.jobs),
    )
    cache = ResultCache(None) if cache is None else cache
    scores = dict(task.scores(cache, report, skip_bad=options.skip_bad))
    groups = by_machine(scores)
    unread = sorted(detectors.keys() - groups)
    if unread:
        raise AudioError(f"{unread[0]}: no recording could be read")
    has_threshold = _has_threshold(detector, options)
    streams: Sequence[StreamCounts | None] = [None] * len(groups)
    if has_threshold and options.simulate_streams:
        streams = task.streams(list(groups.values()), cache)
    return {
        machine: _machine_test(
            detectors[machine], group, scores, stream, has_threshold=has_threshold
        )
        for (machine, group), stream in zip(groups.items(), streams, strict=True)
    }


def _has_threshold(detector: Detector, options: EvaluationOptions) -> bool:
    """Whether the machines' thresholds are fitted to the head that scores.

    detector: before ``options.kind``
    """
    if options.kind in (None, detector.head.kind):
        return True
    return bool(options.calibration_clips) and options.kind in CALIBRATABLE_KINDS


def _training_recordings(
    data: Path, machines: Sequence[str], clips: int | None
) -> dict[str, list[Recording]]:
    """Those of each machine, at least ``clips``; without ``clips`` none are needed."""
    if not clips:
        return {machine: [] for machine in machines}
    train = by_machine(scan(data, "train"))
    for machine in machines:
        n_recordings = len(train.get(machine, []))
        if n_recordings < clips:
            raise ConfigError(
                f"{data}: {machine} has {n_recordings} training recordings; --calibration-clips "
                f"asks for {clips}"
            )
    return {machine: train[machine] for machine in machines}


def _machine_detector(
    detector: Detector,
    machine: str,
    train: Sequence[Recording],
    options: EvaluationOptions,
    report: Report,
) -> Detector:
    """The detector of one machine, calibrated if ``options.calibration_clips`` is given."""
    clips = options.calibration_clips
    if not clips:
        return detector
    windows = calibration_windows(
        detector, train, clips, options.channel, report, skip_bad=options.skip_bad
    )
    return calibrated(detector, windows, machine=machine)


def calibration_windows(
    pipeline: Pipeline,
    train: Sequence[Recording],
    clips: int,
    channel: Channel,
    report: Report,
    *,
    skip_bad: bool,
) -> Float64:
    """(n_windows, n_features) of the first ``clips`` recordings by name.

    With ``skip_bad``: of the first recordings that can be read.
    """
    parts: list[Float64] = []

    def read(recording: Recording) -> None:
        if len(parts) < clips:
            parts.append(pipeline.independent(pipeline.read(recording.path, channel)))

    read_each(by_name(train), read, report, skip_bad=skip_bad)
    if len(parts) < clips:
        raise AudioError(
            f"only {len(parts)} training recordings can be read, but --calibration-clips asks for "
            f"{clips}"
        )
    return np.concatenate(parts)


def _task_key(
    detector: Detector, options: EvaluationOptions, train: Mapping[str, Sequence[Recording]]
) -> str:
    """Of everything that decides the scores except the test recordings."""
    return key_of(
        sha256(detector.artifact.to_bytes()).hexdigest(),
        options.kind,
        options.calibration_clips,
        options.channel,
        files=[path for group in train.values() for path in sorted(item.path for item in group)],
    )


def _jobs(detector: Detector, recordings: Sequence[Recording], jobs: int | None) -> int:
    """The number of processes; a torch network cannot be sent to another one."""
    if not isinstance(detector.network, Network):
        return 1
    return jobs or jobs_for(recording.path for recording in recordings)


def _machine_test(
    detector: Detector,
    recordings: Sequence[Recording],
    scores: Mapping[Recording, Scores],
    stream: StreamCounts | None,
    *,
    has_threshold: bool,
) -> MachineTest:
    """has_threshold: the detector's threshold belongs to its head."""
    threshold = detector.threshold if has_threshold else None
    one_per_day = threshold_for(detector, ONE_PER_DAY) if has_threshold else None
    rows = [
        RecordingScore.of(recording, *scores[recording], threshold, one_per_day)
        for recording in recordings
    ]
    return MachineTest(detector, recordings, rows, one_per_day, stream)
