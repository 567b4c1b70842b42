"""Evaluation: how well normal and anomalous recordings of each machine are told apart."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeae.runtime.artifact import Artifact
from edgeae.runtime.audio import Channel, read_each
from edgeae.runtime.detector import Detector, Pipeline
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.events import explain_section
from edgeae.runtime.fitting import CALIBRATABLE, calibrated
from edgeae.runtime.head import Float64, Kind
from edgeae.runtime.recordings import Recording, by_machine, scan
from edgeae.runtime.selftest import load_checked

MAX_FPR = 0.1  # of the partial AUC, as in DCASE

Report = Callable[[str], None]


@dataclass(frozen=True)
class Score:
    """One test recording."""

    file: str
    machine: str
    label: str
    score: float
    no_network: float
    threshold: float | None  # None for a head that has none
    anomaly: bool | None


@dataclass(frozen=True)
class Result:
    """One machine. AUCs are None where the test holds only one label."""

    auc: float | None
    pauc: float | None
    n_normal: int
    n_anomaly: int
    false_alarm_rate: float | None  # share of normal recordings above the threshold; None without one
    detection_rate: float | None  # share of anomalous recordings above it


def auc_of(scores: Iterable[float], labels: Iterable[str]) -> tuple[float | None, float | None]:
    """AUC and standardised partial AUC up to a false positive rate of 0.1; None for one label only."""
    from sklearn.metrics import roc_auc_score

    truth, values = [label == "anomaly" for label in labels], list(scores)
    if len(set(truth)) < 2:
        return None, None
    return float(roc_auc_score(truth, values)), float(roc_auc_score(truth, values, max_fpr=MAX_FPR))


def evaluate_machine(
    detector: Detector, limit: float | None, test: list[Recording], channel: Channel, report: Report, *, skip_bad: bool
) -> list[Score]:
    """Every test recording of one machine, scored by ``detector`` and by its head without the network."""
    read = read_each(test, lambda recording: list(detector.read(recording.path, channel)), report, skip_bad=skip_bad)
    bare = detector.head.with_kind("no_network")
    scores = []
    for recording, windows in read:
        score = detector.mean_score(windows)
        above = None if limit is None else score > limit
        baseline = float(np.mean(bare.score(np.array([window.coordinates for window in windows]))))
        scores.append(Score(recording.path.name, recording.machine, recording.label, score, baseline, limit, above))
    return scores


def calibration_windows(
    pipeline: Pipeline, train: list[Recording], clips: int, channel: Channel, report: Report, *, skip_bad: bool
) -> Float64:
    """(n, size): windows of the first ``clips`` recordings by name."""
    first = sorted(train, key=lambda recording: recording.path.name)[:clips]
    read = read_each(
        first, lambda recording: pipeline.independent(pipeline.read(recording.path, channel)), report, skip_bad=skip_bad
    )
    return np.concatenate([windows for _, windows in read])


def summarise(scores: list[Score]) -> Result:
    """The figures of one machine."""
    auc, pauc = auc_of((score.score for score in scores), (score.label for score in scores))
    flags = {label: [score.anomaly for score in scores if score.label == label] for label in ("normal", "anomaly")}
    rates = {label: _mean(found) for label, found in flags.items()}
    return Result(auc, pauc, len(flags["normal"]), len(flags["anomaly"]), rates["normal"], rates["anomaly"])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def evaluate_all(
    detector: Detector,
    data: Path,
    *,
    calibration_clips: int | None,
    kind: Kind | None,
    channel: Channel,
    skip_bad: bool,
    report: Report,
) -> tuple[dict[str, list[Score]], str]:
    """The scores of each machine of ``data``/test, and the head that gave them.

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
        limit = own.threshold.value if own.head.kind == fitted else None
        found[machine] = evaluate_machine(own, limit, test, channel, report, skip_bad=skip_bad)
    return found, detector.head.kind


def as_json(model: str, head: str, scores: dict[str, list[Score]]) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    results = {machine: summarise(found) for machine, found in scores.items()}
    bare = [auc_of((s.no_network for s in found), (s.label for s in found)) for found in scores.values()]
    known = {machine: result.auc for machine, result in results.items() if result.auc is not None}
    worst = min(known, key=lambda machine: known[machine]) if known else None
    return {
        "model": model,
        "head": head,
        "machines": {machine: asdict(result) for machine, result in results.items()},
        "mean": {"auc": _mean(r.auc for r in results.values()), "pauc": _mean(r.pauc for r in results.values())},
        "worst": {"machine": worst, "auc": known.get(worst) if worst else None},
        "no_network": {"auc": _mean(auc for auc, _ in bare), "pauc": _mean(pauc for _, pauc in bare)},
    }


def write_tables(folder: Path, scores: dict[str, list[Score]], summary: dict[str, Any]) -> None:
    """``anomaly_scores.csv``, a row a recording, and ``test_results.csv``, a row a machine."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(score) for found in scores.values() for score in found]
    _write_csv(folder / "anomaly_scores.csv", rows)
    _write_csv(folder / "test_results.csv", [{"machine": m, **r} for m, r in summary["machines"].items()])


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def table(summary: dict[str, Any]) -> str:
    """The summary in words and columns."""

    def figure(value: float | None) -> str:
        return "     -" if value is None else f"{value:6.3f}"

    lines = [f"{'machine':14}{'AUC':>6}{'pAUC':>9}{'normal':>9}{'anomaly':>9}{'false alarms':>14}{'found':>8}"]
    lines += [
        f"{machine:14}{figure(r['auc'])}   {figure(r['pauc'])}{r['n_normal']:9}{r['n_anomaly']:9}"
        f"{figure(r['false_alarm_rate']):>14}  {figure(r['detection_rate'])}"
        for machine, r in summary["machines"].items()
    ]
    for name, key in (("mean", "mean"), ("no network", "no_network")):
        lines.append(f"{name:14}{figure(summary[key]['auc'])}   {figure(summary[key]['pauc'])}")
    return "\n".join(lines)


def load_detector(model: Path, report: Report) -> Detector:
    """An artifact; or the float network of a run or checkpoint, its head fitted as an export would."""
    if model.suffix == ".onnx":
        return load_checked(model)
    from .fleet import data_of, read_sound
    from .module import load_network
    from .torch_network import TorchNetwork
    from .training import best_checkpoint

    checkpoint = model if model.suffix == ".ckpt" else best_checkpoint(model)
    trained, config = load_network(checkpoint)
    network = TorchNetwork(trained, config.model.patch_frames)
    sound = read_sound(data_of(checkpoint.parent.parent), config, report, skip_bad=config.data.skip_bad)
    pipeline = Pipeline(config.mel, network, sound.window(config.scoring.window, config))
    fitted = sound.fit(pipeline, config.scoring.head, "1/day")
    explain = explain_section(config.mel, trained.std.numpy())
    artifact = Artifact.build(b"", config.mel, explain=explain, provenance={"config": config.to_dict()}, **fitted)
    return Detector(artifact, network)
