"""Evaluation of a detector on the test recordings of each machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from math import ceil
from pathlib import Path

from edgeae.calibrate.recording import CalibrationRecording
from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_machine, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.model.network import Network
from edgeae.runtime.scoring.calibration import threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.heads import CALIBRATABLE_KINDS, Kind
from edgeae.runtime.system.process_pool import jobs_for

from ..streams.conditions import conditions
from ..streams.joining import frames_of
from ..streams.simulation import SHORT_PLAN, StreamCounts, StreamPlan, StreamRecordings
from .calibration_clips import (
    calibrated_for_streams,
    calibrated_on,
    read_clips,
    read_seconds,
    were_used_for_fitting,
)
from .recording_scores import MachineTest, RecordingScore, Scores
from .result_cache import ResultCache, key_of
from .scoring_task import Report, ScoringTask

ONE_PER_DAY = "1/day"
COMMAND = "edgeae evaluate MODEL"
MIN_CALIBRATION_SECONDS = 60.0  # of sound, that the alarms of a machine should rest on
MAX_CALIBRATION_SHARE = 0.5  # of the normal test recordings, that a calibration may take


@dataclass(frozen=True)
class EvaluationOptions:
    """How an evaluation is made."""

    calibration_clips: int | None = None  # training recordings; None: the artifact's own head
    kind: Kind | None = None  # of the head; None: the artifact's
    channel: Channel = 0
    skip_bad: bool = False  # continue without recordings that cannot be read
    jobs: int | None = None  # processes; None: as many as there is work for
    simulate_streams: bool = True  # play the recordings as streams, too
    false_alarms: str | None = None  # budget for which alarms are measured; None: the artifact's
    plan: StreamPlan | None = None  # of the streams; None: a short one without a budget


@dataclass(frozen=True)
class MachineDetectors:
    """The detectors of one machine."""

    recordings: Detector  # for its recordings
    stream: Detector  # for its streams, in which every window is full
    used: Sequence[Path] = ()  # training recordings of the calibration
    stream_calibration: Sequence[Path] = ()  # test recordings that calibrate the streams instead


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
    has_threshold = _has_threshold(detector, options)
    if options.false_alarms and not has_threshold:
        raise ConfigError(
            f"--false-alarms {options.false_alarms}: the head {options.kind} has no threshold in "
            f"this artifact; leave out --head"
        )
    recordings = scan(data, "test", report=report, command=COMMAND)
    tested = by_machine(recordings)
    train = _training_recordings(data, list(tested), options.calibration_clips, report)
    each = {
        machine: _machine_detectors(base, train[machine], test, options, report)
        for machine, test in tested.items()
    }
    detectors = {machine: item.recordings for machine, item in each.items()}
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
    streams: Sequence[StreamCounts | None] = [None] * len(groups)
    if has_threshold and options.simulate_streams:
        played = [
            _stream_recordings(
                machine,
                [item for item in group if item.path not in each[machine].stream_calibration],
                _spare_recordings(detector, train[machine], each[machine].used, options, report),
            )
            for machine, group in groups.items()
        ]
        task = replace(
            task,
            detectors={machine: item.stream for machine, item in each.items()},
            key=key_of(
                task.key,
                files=chain.from_iterable(item.stream_calibration for item in each.values()),
            ),
        )
        plan = options.plan or (StreamPlan() if options.false_alarms else SHORT_PLAN)
        streams = task.streams(played, plan, cache)
    return {
        machine: _machine_test(each[machine], group, scores, stream, has_threshold=has_threshold)
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
    data: Path, machines: Sequence[str], clips: int | None, report: Report
) -> dict[str, list[Recording]]:
    """Those of each machine, at least ``clips``; without ``clips`` none are needed."""
    if not clips:
        return {machine: [] for machine in machines}
    train = by_machine(scan(data, "train", report=report, command=COMMAND))
    for machine in machines:
        n_recordings = len(train.get(machine, []))
        if n_recordings < clips:
            raise ConfigError(
                f"{data}: {machine} has {n_recordings} training recordings; --calibration-clips "
                f"asks for {clips}"
            )
    return {machine: train[machine] for machine in machines}


def _machine_detectors(
    detector: Detector,
    train: Sequence[Recording],
    test: Sequence[Recording],
    options: EvaluationOptions,
    report: Report,
) -> MachineDetectors:
    """The detectors of one machine, calibrated if ``options.calibration_clips`` is given."""
    n_clips = options.calibration_clips
    budget = options.false_alarms
    if not n_clips:
        if budget:
            detector = detector.with_sections(threshold=threshold_for(detector, budget))
        return MachineDetectors(detector, detector)
    machine = train[0].machine
    clips = read_clips(detector, train, n_clips, options.channel, report, skip_bad=options.skip_bad)
    alone = calibrated_on(detector, clips, machine, budget)
    used = [Path(clip.name) for clip in clips]
    if budget is None or not options.simulate_streams:
        return MachineDetectors(alone, alone, used)
    from_test: list[CalibrationRecording] = []
    if were_used_for_fitting(detector, clips):
        from_test = _stream_clips(detector, test, options, report)
    if not from_test:
        seconds = sum(clip.seconds for clip in clips)
        _report_little_sound(machine, clips, seconds, report)
    stream = calibrated_for_streams(detector, from_test or clips, machine, budget, options.channel)
    return MachineDetectors(alone, stream, used, [Path(clip.name) for clip in from_test])


def _stream_clips(
    detector: Detector, test: Sequence[Recording], options: EvaluationOptions, report: Report
) -> list[CalibrationRecording]:
    """A minute of the normal test recordings of one machine; none if too few would be left."""
    normals = [item for item in test if item.label == "normal"]
    clips = read_seconds(detector, normals, MIN_CALIBRATION_SECONDS, options.channel)
    if len(clips) <= MAX_CALIBRATION_SHARE * len(normals):
        return clips
    report(
        f"{test[0].machine}: the network was trained on its calibration recordings, whose scores "
        f"are too low, and {len(normals)} normal test recordings are too few to calibrate on "
        f"instead; expect more false alarms than after a calibration on new sound"
    )
    return []


def _report_little_sound(
    machine: str, clips: Sequence[CalibrationRecording], seconds: float, report: Report
) -> None:
    """Say how many clips a minute needs, if the alarms rest on less."""
    if seconds < MIN_CALIBRATION_SECONDS:
        n_needed = ceil(len(clips) * MIN_CALIBRATION_SECONDS / seconds)
        report(
            f"{machine}: its alarms are measured after a calibration on {seconds:.0f} s of sound; "
            f"for {MIN_CALIBRATION_SECONDS:.0f} s give --calibration-clips {n_needed}"
        )


def _stream_recordings(
    machine: str, test: Sequence[Recording], spare: Sequence[Recording]
) -> StreamRecordings:
    """What the streams of one machine are made of; spare: normal recordings of its training."""
    normals = [item.path for item in [*test, *spare] if item.label == "normal"]
    return StreamRecordings(
        machine=machine,
        normals=sorted(normals, key=lambda path: path.name),
        faults=conditions([item for item in test if item.label == "anomaly"]),
    )


def _spare_recordings(
    detector: Detector,
    train: Sequence[Recording],
    used: Sequence[Path],
    options: EvaluationOptions,
    report: Report,
) -> list[Recording]:
    """The training recordings of a machine that are normal sound nobody has learned from.

    None unless a budget is measured, if it is unknown what the calibration used, or if the network
    may have been trained on this machine.
    """
    if not options.false_alarms or not used or may_be_trained_on(detector, train[0].machine):
        return []
    spare = [item for item in train if item.path not in used]

    def check(recording: Recording) -> None:
        for _ in frames_of(recording.path, detector.spec, options.channel):
            pass

    return [item for item, _ in read_each(spare, check, report, skip_bad=options.skip_bad)]


def may_be_trained_on(detector: Detector, machine: str) -> bool:
    """False if the artifact states the machines of its training, and this is none of them."""
    training = detector.artifact.provenance.get("data")
    machines = training.get("machines") if isinstance(training, dict) else None
    return not isinstance(machines, list) or machine in machines


def _task_key(
    detector: Detector, options: EvaluationOptions, train: Mapping[str, Sequence[Recording]]
) -> str:
    """Of everything that decides the scores except the test recordings."""
    return key_of(
        sha256(detector.artifact.to_bytes()).hexdigest(),
        options.kind,
        options.calibration_clips,
        options.channel,
        options.false_alarms,
        files=[path for group in train.values() for path in sorted(item.path for item in group)],
    )


def _jobs(detector: Detector, recordings: Sequence[Recording], jobs: int | None) -> int:
    """The number of processes; a torch network cannot be sent to another one."""
    if not isinstance(detector.network, Network):
        return 1
    return jobs or jobs_for(recording.path for recording in recordings)


def _machine_test(
    detectors: MachineDetectors,
    recordings: Sequence[Recording],
    scores: Mapping[Recording, Scores],
    stream: StreamCounts | None,
    *,
    has_threshold: bool,
) -> MachineTest:
    """has_threshold: the detector's threshold belongs to its head."""
    detector = detectors.recordings
    threshold = detector.threshold if has_threshold else None
    one_per_day = threshold_for(detector, ONE_PER_DAY) if has_threshold else None
    rows = [
        RecordingScore.of(recording, scores[recording], threshold, one_per_day)
        for recording in recordings
    ]
    return MachineTest(
        detector, recordings, rows, one_per_day, stream, detectors.stream_calibration
    )
