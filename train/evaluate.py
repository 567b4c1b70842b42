"""Evaluation: how well normal and anomalous recordings of each machine are told apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeae.runtime.artifact import Artifact
from edgeae.runtime.audio import Channel, read_each
from edgeae.runtime.detector import Detector, Pipeline
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.events import explain_section
from edgeae.runtime.fitting import CALIBRATABLE, calibrated, threshold_for
from edgeae.runtime.head import Float64, Kind
from edgeae.runtime.recordings import Recording, by_machine, scan
from edgeae.runtime.selftest import load_checked

from .listening import listen
from .summary import Score, Tested

Report = Callable[[str], None]
ONE_PER_DAY = "1/day"


def evaluate_machine(
    detector: Detector, test: list[Recording], channel: Channel, report: Report, *, judged: bool, skip_bad: bool
) -> Tested:
    """Every test recording of one machine, scored by ``detector`` and by its head without the network.

    judged: the threshold is one of this head.
    """
    read = read_each(test, lambda recording: list(detector.read(recording.path, channel)), report, skip_bad=skip_bad)
    bare = detector.head.with_kind("no_network")
    one_per_day = threshold_for(detector, ONE_PER_DAY) if judged else None
    limits = (detector.threshold.value, one_per_day.value) if one_per_day else (None, None)
    scores = []
    for recording, windows in read:
        score = detector.mean_score(windows)
        baseline = float(np.mean(bare.score(np.array([window.coordinates for window in windows]))))
        above, above_that = (None if limit is None else score > limit for limit in limits)
        named = (recording.path.name, recording.machine, recording.label)
        scores.append(Score(*named, score, baseline, limits[0], above, above_that))
    normals, anomalies = (
        [recording.path for recording, _ in read if recording.label == label] for label in ("normal", "anomaly")
    )
    return Tested(scores, one_per_day, listen(detector, normals, anomalies, channel) if judged else None)


def calibration_windows(
    pipeline: Pipeline, train: list[Recording], clips: int, channel: Channel, report: Report, *, skip_bad: bool
) -> Float64:
    """(n, size): windows of the first ``clips`` recordings by name."""
    first = sorted(train, key=lambda recording: recording.path.name)[:clips]
    read = read_each(
        first, lambda recording: pipeline.independent(pipeline.read(recording.path, channel)), report, skip_bad=skip_bad
    )
    return np.concatenate([windows for _, windows in read])


def evaluate_all(
    detector: Detector,
    data: Path,
    *,
    calibration_clips: int | None,
    kind: Kind | None,
    channel: Channel,
    skip_bad: bool,
    report: Report,
) -> tuple[dict[str, Tested], str]:
    """What the test of each machine of ``data``/test gave, and the head that gave it.

    With ``calibration_clips`` each machine is first calibrated on so many of its training
    recordings; without, the artifact's own head is used as it is.
    """
    fitted = detector.head.kind  # the head that the threshold belongs to
    if kind:
        detector = detector.with_kind(kind)
        fitted = kind if calibration_clips and kind in CALIBRATABLE else fitted
    train = by_machine(scan(data, "train")) if calibration_clips else {}
    found = {}
    for machine, test in by_machine(scan(data, "test")).items():
        own = detector
        if calibration_clips:
            clips = train.get(machine, [])
            if len(clips) < calibration_clips:
                raise ConfigError(
                    f"{data}: {machine} has {len(clips)} training recordings; --calibration-clips asks for "
                    f"{calibration_clips}"
                )
            windows = calibration_windows(detector, clips, calibration_clips, channel, report, skip_bad=skip_bad)
            own = calibrated(detector, windows, machine=machine)
        judged = own.head.kind == fitted
        found[machine] = evaluate_machine(own, test, channel, report, judged=judged, skip_bad=skip_bad)
    return found, detector.head.kind


def load_detector(model: Path, report: Report) -> Detector:
    """An artifact; or the float network of a run or checkpoint, its head fitted as an export would."""
    if model.suffix == ".onnx":
        return load_checked(model)
    from .fleet import data_of, read_sound, validated
    from .module import load_network
    from .torch_network import TorchNetwork
    from .training import best_checkpoint

    checkpoint = model if model.suffix == ".ckpt" else best_checkpoint(model)
    trained, config = load_network(checkpoint)
    network = TorchNetwork(trained, config.model.patch_frames)
    home = checkpoint.parent.parent
    data = data_of(home)
    sound = read_sound(data, config, report, skip_bad=config.data.skip_bad)
    sound = replace(sound, unheard=validated(home, data))
    pipeline = Pipeline(config.mel, network, sound.window(config.scoring.window, config))
    fitted = sound.fit(pipeline, config.scoring.head, "1/day")
    explain = explain_section(config.mel, trained.std.numpy())
    artifact = Artifact.build(b"", config.mel, explain=explain, provenance={"config": config.to_dict()}, **fitted)
    return Detector(artifact, network)
