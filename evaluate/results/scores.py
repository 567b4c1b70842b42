"""Evaluation: how well normal and anomalous recordings of each machine are told apart.

Recordings are scored, and then machines listened to, by several processes where that is worthwhile. What was found
goes into a `Memo`, so that an evaluation that was interrupted goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.model.sections import explain_section
from edgeae.runtime.scoring.calibration import CALIBRATABLE, calibrated, threshold_for
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head, Kind
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.selftest import load_checked
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.process_pool import in_order, jobs_for
from edgeae.runtime.system.progress import bar

from .result_cache import Memo, key_of
from .stream import Heard, listen
from .summary import Score, Tested

Report = Callable[[str], None]
Sections = dict[str, Any]
Found = tuple[Recording, tuple[float, float]]  # its score, and that without the network
ONE_PER_DAY = "1/day"


@dataclass(frozen=True)
class Trial:
    """The test recordings of some machines, and the detector of each."""

    base: Detector  # whose network all share
    detectors: Mapping[str, Detector]
    recordings: Sequence[Recording]
    channel: Channel
    key: str  # of all that decides the scores but the recordings

    def run(
        self, make: Callable[..., Any], items: Sequence[Any], length: int, label: str, jobs: int
    ) -> Any:
        """A generator of the items with their results, by what ``make`` gives for detectors and channel."""
        if jobs > 1:
            own = {
                machine: detector.artifact.sections for machine, detector in self.detectors.items()
            }
            maker = partial(_made, make, self.base.artifact.to_bytes(), own, self.channel)
        else:
            maker = partial(make, self.detectors, self.channel)
        return closing(bar(in_order(items, maker, jobs), length, label))


def _made(
    make: Callable[..., Any], artifact: bytes, sections: Mapping[str, Sections], channel: Channel
) -> Any:
    """``make`` in another process, which is given no session of a network."""
    base = Detector(Artifact.from_bytes(artifact))
    return make({machine: base.with_sections(**own) for machine, own in sections.items()}, channel)


def _scorer(
    detectors: Mapping[str, Detector], channel: Channel
) -> Callable[[Recording], tuple[float, float]]:
    heads = {
        machine: (own.head, own.head.with_kind("no_network")) for machine, own in detectors.items()
    }
    return partial(_score, next(iter(detectors.values())), heads, channel)


def _score(
    pipeline: Pipeline,
    heads: Mapping[str, tuple[Head, Head]],
    channel: Channel,
    recording: Recording,
) -> tuple[float, float]:
    features = np.array([window.features for window in pipeline.read(recording.path, channel)])
    own, bare = (float(np.mean(head.score(features))) for head in heads[recording.machine])
    return own, bare


def _listener(
    detectors: Mapping[str, Detector], channel: Channel
) -> Callable[[list[Recording]], Heard | None]:
    return partial(_listen, detectors, channel)


def _listen(
    detectors: Mapping[str, Detector], channel: Channel, recordings: list[Recording]
) -> Heard | None:
    normals, anomalies = (
        [recording.path for recording in recordings if recording.label == label]
        for label in ("normal", "anomaly")
    )
    return listen(detectors[recordings[0].machine], normals, anomalies, channel)


def scores_of(
    trial: Trial, memo: Memo, jobs: int, report: Report, *, skip_bad: bool
) -> list[Found]:
    """The recordings that can be read, in order."""
    keys = {recording: key_of(trial.key, files=[recording.path]) for recording in trial.recordings}
    left = [recording for recording in trial.recordings if keys[recording] not in memo]
    with trial.run(_scorer, left, len(left), "recordings", jobs) as results:

        def compute() -> Any:
            _, result = next(results)
            return result()

        def score(recording: Recording) -> tuple[float, float]:
            own, bare = memo.value(keys[recording], compute)
            return own, bare

        return read_each(trial.recordings, score, report, skip_bad=skip_bad)


def heard_by(
    trial: Trial, machines: Sequence[list[Recording]], memo: Memo, jobs: int
) -> list[Heard | None]:
    """What `listen` gives for the recordings of each machine."""
    keys = [
        key_of(trial.key, "heard", files=[item.path for item in machine]) for machine in machines
    ]
    left = [machine for machine, key in zip(machines, keys, strict=True) if key not in memo]
    with trial.run(_listener, left, len(left), "streams", min(jobs, max(1, len(left)))) as results:
        found = [memo.value(key, lambda: _as_json(*next(results))) for key in keys]
    return [
        Heard(**{**heard, "delays": tuple(heard["delays"])}) if heard else None for heard in found
    ]


def _as_json(_: object, result: Callable[[], Heard | None]) -> dict[str, Any] | None:
    heard = result()
    return asdict(heard) if heard else None


def _tested(
    detector: Detector, found: Sequence[Found], heard: Heard | None, *, judged: bool
) -> Tested:
    """judged: the threshold is one of this head."""
    one_per_day = threshold_for(detector, ONE_PER_DAY) if judged else None
    limits = (detector.threshold.value, one_per_day.value) if one_per_day else (None, None)
    scores = []
    for recording, (score, baseline) in found:
        above, above_that = (None if limit is None else score > limit for limit in limits)
        named = (recording.path.name, recording.machine, recording.label)
        scores.append(Score(*named, score, baseline, limits[0], above, above_that))
    return Tested(detector, [recording for recording, _ in found], scores, one_per_day, heard)


def calibration_windows(
    pipeline: Pipeline,
    train: list[Recording],
    clips: int,
    channel: Channel,
    report: Report,
    *,
    skip_bad: bool,
) -> Float64:
    """(n, size): windows of the first ``clips`` recordings by name; with ``skip_bad`` of the first that can be read."""
    found: list[Float64] = []

    def read(recording: Recording) -> None:
        if len(found) < clips:
            found.append(pipeline.independent(pipeline.read(recording.path, channel)))

    read_each(by_name(train), read, report, skip_bad=skip_bad)
    if len(found) < clips:
        raise AudioError(
            f"only {len(found)} training recordings can be read, {clips} are to calibrate on"
        )
    return np.concatenate(found)


def evaluate_all(
    detector: Detector,
    data: Path,
    *,
    calibration_clips: int | None,
    kind: Kind | None,
    channel: Channel,
    skip_bad: bool,
    report: Report,
    memo: Memo | None = None,
    jobs: int | None = None,
    listening: bool = True,
) -> tuple[dict[str, Tested], str]:
    """What the test of each machine of ``data``/test gave, and the head that gave it.

    With ``calibration_clips`` each machine is first calibrated on so many of its training
    recordings; without, the artifact's own head is used as it is. What ``memo`` knows is not computed again.
    jobs: processes; a network of torch has one. listening: the recordings are played as a stream, too.
    """
    fitted = detector.head.kind  # the head that the threshold belongs to
    if kind:
        detector = detector.with_kind(kind)
        fitted = kind if calibration_clips and kind in CALIBRATABLE else fitted
    train = by_machine(scan(data, "train")) if calibration_clips else {}
    recordings, detectors, clips = scan(data, "test"), dict[str, Detector](), list[Path]()
    for machine in by_machine(recordings):
        detectors[machine] = detector
        if calibration_clips:
            own = train.get(machine, [])
            if len(own) < calibration_clips:
                raise ConfigError(
                    f"{data}: {machine} has {len(own)} training recordings; --calibration-clips asks for "
                    f"{calibration_clips}"
                )
            windows = calibration_windows(
                detector, own, calibration_clips, channel, report, skip_bad=skip_bad
            )
            detectors[machine] = calibrated(detector, windows, machine=machine)
            clips += sorted(recording.path for recording in own)
    key = key_of(
        sha256(detector.artifact.to_bytes()).hexdigest(),
        kind,
        calibration_clips,
        channel,
        files=clips,
    )
    trial = Trial(detector, detectors, recordings, channel, key)
    if not isinstance(detector.network, Network):
        jobs = 1
    jobs = jobs or jobs_for(recording.path for recording in recordings)
    memo = Memo(None) if memo is None else memo
    found = scores_of(trial, memo, jobs, report, skip_bad=skip_bad)
    groups = by_machine(recording for recording, _ in found)
    if unread := sorted(detectors.keys() - groups):
        raise AudioError(f"{unread[0]}: no recording could be read")
    judged = all(own.head.kind == fitted for own in detectors.values())
    heard = (
        heard_by(trial, list(groups.values()), memo, jobs)
        if judged and listening
        else [None] * len(groups)
    )
    scores = dict(found)
    return {
        machine: _tested(
            detectors[machine], [(item, scores[item]) for item in group], stream, judged=judged
        )
        for (machine, group), stream in zip(groups.items(), heard, strict=True)
    }, detector.head.kind


def load_detector(model: Path, report: Report) -> Detector:
    """An artifact; or the float network of a run or checkpoint, its head fitted as an export would."""
    if model.suffix == ".onnx":
        return load_checked(model)
    if model.suffix != ".ckpt" and not model.is_dir():
        raise ConfigError(
            f"{model}: neither an artifact (.onnx) nor a checkpoint (.ckpt) nor the folder of a run"
        )
    from edgeae.quantize.training_set import data_of, read_sound, validated
    from edgeae.train.lightning_module import load_network
    from edgeae.train.run import best_checkpoint

    from .torch_detector import TorchNetwork

    checkpoint = model if model.suffix == ".ckpt" else best_checkpoint(model)
    trained, config = load_network(checkpoint)
    network = TorchNetwork(trained, config.model.patch_frames)
    home = checkpoint.parent.parent
    data = data_of(home)
    sound = read_sound(data, config, report, skip_bad=config.data.skip_bad)
    sound = replace(sound, held_out=validated(home, data))
    pipeline = Pipeline(config.mel, network, sound.window(config.scoring.window, config))
    fitted = sound.fit(pipeline, config.scoring.head, "1/day")
    explain = explain_section(config.mel, trained.std.numpy())
    artifact = Artifact.build(
        b"", config.mel, explain=explain, provenance={"config": config.to_dict()}, **fitted
    )
    return Detector(artifact, network)
