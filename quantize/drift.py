"""Float against int8: what quantizing cost, and what it bought."""

import time
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.artifact import Artifact
from edgeae.runtime.detector import Detector
from edgeae.runtime.head import Float64
from edgeae.runtime.mel import Float32
from edgeae.train.fleet import Sound

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


def compare(float_: Artifact, int8: Artifact, sound: Sound) -> list[Row]:
    """The rows of the table, measured on the training sound and on this computer."""
    detectors = [Detector(float_), Detector(int8)]
    sizes = [(len(a.network_bytes()) / 1024, len(a.to_bytes()) / 1024) for a in (float_, int8)]
    rows = [Row("network", sizes[0][0], sizes[1][0], "KiB"), Row("file", sizes[0][1], sizes[1][1], "KiB")]
    patches = np.concatenate(sound.patches(detectors[0].network.patch_frames))
    for n in PATCHES:
        times = [_microseconds(detector, np.resize(patches, (n, *patches.shape[1:]))) for detector in detectors]
        rows.append(Row(f"time of {n} patch{'es' * (n > 1)}", times[0], times[1], "us, one thread"))
    residuals = [detector.network.residual(patches) for detector in detectors]
    energies = [float(np.mean(np.square(residual))) for residual in residuals]
    rows.append(Row("mean squared residual", energies[0], energies[1], "squared standard deviations"))
    noise = float(np.mean(np.square(residuals[1] - residuals[0])))
    rows.append(Row("residual drift", None, 10 * np.log10(energies[0] / max(noise, 1e-20)), "dB below the residual"))
    return rows + _score_rows(detectors, sound)


def _score_rows(detectors: list[Detector], sound: Sound) -> list[Row]:
    scores = [
        np.array([detector.mean_score(detector.windows_of_frames(frames)) for frames in sound.frames], np.float64)
        for detector in detectors
    ]
    drift = np.abs(scores[1] - scores[0])
    return [
        Row("mean score of a training clip", float(scores[0].mean()), float(scores[1].mean()), "ln"),
        Row("score drift, mean", None, float(drift.mean()), "ln"),
        Row("score drift, worst", None, float(drift.max()), "ln"),
        Row("rank correlation of the scores", None, _spearman(*scores), "Spearman"),
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


def table(rows: list[Row]) -> str:
    header = f"{'':34}{'float':>12}{'int8':>12}{'ratio':>9}"
    return "\n".join([header, *map(str, rows)])
