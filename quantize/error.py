"""Float against int8: what quantizing cost, and what it bought."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32, Float64

from .training_set import TrainingSet, evenly_spread

CLIPS = 200  # training clips that are compared at most
LEAST_SPREAD = 0.1  # ln: scores of 50 to 500 clips have standard deviations of .14 to .29, of 3 to 6 clips down to .016
REPEATS = 100
PATCHES = (1, 10)  # one second of live sound, a file of ten


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of the float and of the int8 artifact."""

    name: str
    float_: float | None
    int8: float
    unit: str

    def __str__(self) -> str:
        left = "" if self.float_ is None else f"{self.float_:.4g}"
        ratio = "" if not self.float_ else f"{self.int8 / self.float_:.3f}"
        return f"{self.name:34}{left:>12}{self.int8:>12.4g}{ratio:>9}  {self.unit}"


@dataclass(frozen=True)
class Comparison:
    """The table, and the figure that decides whether the int8 artifact may be written."""

    rows: list[Row]
    drift: float  # of the scores, see `score_drift`

    def __str__(self) -> str:
        header = f"{'':34}{'float':>12}{'int8':>12}{'ratio':>9}"
        return "\n".join([header, *map(str, self.rows)])


def compare(float_: Artifact, int8: Artifact, sound: TrainingSet) -> Comparison:
    """Both artifacts on at most 200 training clips, evenly spread, and on this computer."""
    detectors = Detector(float_), Detector(int8)
    sizes = [(len(a.network_bytes()) / 1024, len(a.to_bytes()) / 1024) for a in (float_, int8)]
    rows = [
        Row("network", sizes[0][0], sizes[1][0], "KiB"),
        Row("file", sizes[0][1], sizes[1][1], "KiB"),
    ]
    clips = evenly_spread(sound.frames, CLIPS)
    patches = np.concatenate(TrainingSet([], clips).patches(detectors[0].network.patch_frames))
    for n in PATCHES:
        times = [
            _microseconds(detector, np.resize(patches, (n, *patches.shape[1:])))
            for detector in detectors
        ]
        rows.append(Row(f"time of {n} patch{'es' * (n > 1)}", times[0], times[1], "us, one thread"))
    rows += _residual_rows(*(detector.network.residual(patches) for detector in detectors))
    scores = window_scores(detectors[0], clips), window_scores(detectors[1], clips)
    drift = score_drift(*scores)
    return Comparison([*rows, *_score_rows(*scores, drift)], drift)


def window_scores(detector: Detector, clips: Sequence[Float32]) -> Float64:
    """(n,) scores of the windows, which do not overlap, of recordings given as log-mel (n_frames, n_mels) dB."""
    windows = [detector.independent(detector.windows_of_frames(frames)) for frames in clips]
    return detector.head.score(np.concatenate(windows))


def score_drift(float_: Float64, int8: Float64) -> float:
    """By how much int8 moves scores (n,) of windows against each other, in standard deviations of the float scores.

    The standard deviation of a few windows that happen to score alike is taken as 0.1.
    """
    return movement(float_, int8) / max(float(np.std(float_)), LEAST_SPREAD)


def movement(before: Float64, after: Float64) -> float:
    """Root mean square of what moves scores (n,) against each other.

    A change that all windows share counts for nothing, since head and threshold are fitted on the int8 network's own
    outputs; of one window alone all of it counts.
    """
    return float(np.std(after - before) if len(before) > 1 else np.abs(after - before).max())


def _residual_rows(float_: Float32, int8: Float32) -> list[Row]:
    energies = [float(np.mean(np.square(residual))) for residual in (float_, int8)]
    noise = float(np.mean(np.square(int8 - float_)))
    return [
        Row("mean squared residual", energies[0], energies[1], "squared standard deviations"),
        Row(
            "residual drift",
            None,
            10 * np.log10(energies[0] / max(noise, 1e-20)),
            "dB below the residual",
        ),
    ]


def _score_rows(float_: Float64, int8: Float64, drift: float) -> list[Row]:
    moved = np.abs(int8 - float_)
    return [
        Row("mean score of a training clip", float(float_.mean()), float(int8.mean()), "ln"),
        Row("score drift, mean", None, float(moved.mean()), "ln"),
        Row("score drift, worst", None, float(moved.max()), "ln"),
        Row(
            "score drift, rms without its mean",
            None,
            drift,
            "standard deviations of the float scores",
        ),
        Row("rank correlation of the scores", None, _spearman(float_, int8), "Spearman"),
    ]


def _spearman(a: Float64, b: Float64) -> float:
    ranks = [values.argsort().argsort().astype(float) for values in (a, b)]
    return float(np.corrcoef(np.stack(ranks))[0, 1]) if len(a) > 1 else 1.0


def _microseconds(detector: Detector, patches: Float32) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        detector.network(patches)
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e6)
