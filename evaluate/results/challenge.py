"""Scores of recordings without labels, in the format of the DCASE challenge, Task 2.

    anomaly_score_<machine type>_section_<nn>_test.csv      file name, score
    decision_result_<machine type>_section_<nn>_test.csv    file name, 1 for an anomaly, else 0

The files have no header. The machine type is the name of the folder of the data set.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.folder import audio_files
from edgeae.runtime.audio.layout import layout_of
from edgeae.runtime.audio.recording_name import read_name
from edgeae.runtime.audio.recordings import Recording, by_machine, scan
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.path_text import path_text

from .calibration_clips import calibrated_on, read_clips
from .scores import COMMAND, EvaluationOptions
from .scoring_task import Report


@dataclass(frozen=True)
class UnlabelledScore:
    """A test recording that nobody has labelled."""

    file: str
    machine: str  # section_00, id_00 or default
    score: float  # the mean over its windows
    anomaly: bool  # that mean is above the threshold


def unlabelled_recordings(data: Path) -> list[Path]:
    """The test recordings of a data set, by name, if none of them has a label; else none."""
    paths = [path for folder in layout_of(data).test for path in audio_files(folder)]
    if any(read_name(path, data).label for path in paths):
        return []
    return sorted(paths, key=lambda path: path.name)


def score_unlabelled(
    detector: Detector,
    data: Path,
    paths: Sequence[Path],
    options: EvaluationOptions,
    report: Report,
) -> list[UnlabelledScore]:
    """The score of each recording; options: as for labelled recordings.

    Raises ConfigError for a section without the training recordings that its calibration needs.
    """
    detectors = _detectors(detector, data, paths, options, report)

    def score(path: Path) -> UnlabelledScore:
        machine = read_name(path, data).machine
        own = detectors[machine]
        windows = list(own.read(path, options.channel))
        mean = float(np.mean(own.head.score(np.array([window.features for window in windows]))))
        return UnlabelledScore(path_text(path.name), machine, mean, mean > own.threshold.value)

    results = read_each(paths, score, report, skip_bad=options.skip_bad)
    return [result for _, result in results]


def _detectors(
    detector: Detector,
    data: Path,
    paths: Sequence[Path],
    options: EvaluationOptions,
    report: Report,
) -> Mapping[str, Detector]:
    """The detector of each section, calibrated if ``options.calibration_clips`` is given."""
    machines = sorted({read_name(path, data).machine for path in paths})
    if options.kind and options.kind != detector.head.kind and not options.calibration_clips:
        raise ConfigError("--head without labels needs --calibration-clips; give it as well")
    base = detector.with_kind(options.kind) if options.kind else detector
    n_clips = options.calibration_clips
    if not n_clips:
        return dict.fromkeys(machines, base)
    train: Mapping[str, Sequence[Recording]] = by_machine(
        scan(data, "train", report=report, command=COMMAND)
    )
    detectors: dict[str, Detector] = {}
    for machine in machines:
        recordings = train.get(machine, [])
        if len(recordings) < n_clips:
            raise ConfigError(
                f"{data}: {machine} has {len(recordings)} training recordings; "
                f"--calibration-clips asks for {n_clips}"
            )
        clips = read_clips(
            base, recordings, n_clips, options.channel, report, skip_bad=options.skip_bad
        )
        detectors[machine] = calibrated_on(base, clips, machine, options.false_alarms)
    return detectors


def write_challenge_files(
    folder: Path, machine_type: str, scores: Sequence[UnlabelledScore]
) -> list[Path]:
    """Write two files for each section; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for machine in sorted({score.machine for score in scores}):
        own = [score for score in scores if score.machine == machine]
        tables: dict[str, list[tuple[str, object]]] = {
            "anomaly_score": [(score.file, score.score) for score in own],
            "decision_result": [(score.file, int(score.anomaly)) for score in own],
        }
        for name, rows in tables.items():
            path = folder / f"{name}_{machine_type}_{machine}_test.csv"
            with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            written.append(path)
    return written
