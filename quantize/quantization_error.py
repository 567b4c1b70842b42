"""Float against int8: what quantizing costs in accuracy, and what it gains in size and time."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.scoring.threshold import MIN_CALIBRATION_WINDOWS
from edgeae.runtime.system.arrays import Float32, Float64

from .fit_fleet import CalibrationTrial, FleetFit, calibration_trials
from .training_set import TrainingSet, rounding_changes, rounding_of

MAX_RECORDINGS = 200  # training recordings that are compared
# Scores of 50 to 500 recordings have standard deviations of 0.14 to 0.29 ln; those of 3 to 6
# recordings fall to 0.016.
MIN_SCORE_STD = 0.1  # ln
# Trained networks have 11 to 44 dB; one with random weights, or with wrong ranges, less than 0.
MIN_RESIDUAL_SNR_DB = 3.0
MIN_POWER = 1e-20  # of a residual, or of an error that is zero
TIMED_RUNS = 100
TIMED_PATCHES = (1, 10)  # one second of live sound, a recording of ten


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of the float and of the int8 artifact."""

    name: str
    float_: float | None  # None where the figure exists for int8 alone
    int8: float  # nan where it is undefined
    unit: str

    def __str__(self) -> str:
        float_ = "" if self.float_ is None else f"{self.float_:.4g}"
        int8 = "undefined" if math.isnan(self.int8) else f"{self.int8:.4g}"
        ratio = f"{self.int8 / self.float_:.3f}" if self.float_ else ""
        return f"{self.name:34}{float_:>12}{int8:>12}{ratio:>9}  {self.unit}"


@dataclass(frozen=True)
class Comparison:
    """The table, and the figures that decide whether the int8 artifact may be written."""

    rows: list[Row]
    drift: float  # of the scores, see `score_drift`
    residual_snr_db: float  # power of the residual over that of its error

    def __str__(self) -> str:
        header = f"{'':34}{'float':>12}{'int8':>12}{'ratio':>9}"
        return "\n".join([header, *map(str, self.rows)])


def compare(float_: Artifact, int8: Artifact, training_set: TrainingSet) -> Comparison:
    """Compare both artifacts on at most 200 training recordings, and on this computer."""
    detectors = (Detector(float_), Detector(int8))
    compared = training_set.part(MAX_RECORDINGS)
    patches = np.concatenate(compared.patches(detectors[0].network.patch_frames))
    float_residual, int8_residual = (d.network.residual(patches) for d in detectors)
    float_scores, int8_scores = held_out_scores(detectors[0], detectors[1], compared)
    drift = score_drift(float_scores, int8_scores)
    snr_db = residual_snr_db(float_residual, int8_residual)
    rows = [
        *_size_rows(float_, int8),
        *(_time_row(detectors, patches, n) for n in TIMED_PATCHES),
        *_residual_rows(float_residual, int8_residual, snr_db),
        *_score_rows(float_scores, int8_scores, drift),
    ]
    return Comparison(rows, drift, snr_db)


def held_out_scores(
    float_: Detector, int8: Detector, training_set: TrainingSet
) -> tuple[Float64, Float64]:
    """(n,) scores of windows by the features of each network.

    The training machines play new machines, as for the threshold: the head of a window is
    calibrated on a few other windows of the same machine, and on fewer where there are few. The
    head of both scores is that of the int8 network, because it is what a user gets, and knows how
    rounding disturbs each feature. What rounding does to all windows of a machine alike does not
    count.

    Where there is too little sound for that, fleet and head are fitted to all windows but one, and
    score that one; of machines that have others. One has at least three, see `fit_fleet`.
    """
    float_machines, _ = training_set.machines(float_)
    machines, _ = training_set.machines(int8)
    centred = rounding_of(float_machines, machines)
    exact = [windows - change for windows, change in zip(machines, centred, strict=True)]
    head = int8.head
    fleet = head.fleet
    rounding = rounding_changes(float_machines, machines)
    fit = FleetFit(fleet.gain_directions, fleet.views, fleet.noise_directions, rounding)
    float_scores: list[Float64] = []
    int8_scores: list[Float64] = []
    for trial in _trials(machines, fit):
        calibrated = Head.calibrated(trial.fleet, trial.calibration, head.kind)
        held_out = exact[trial.machine][trial.held_out_rows]
        float_scores.append(calibrated.parts(held_out) @ head.weights)
        int8_scores.append(calibrated.parts(trial.held_out) @ head.weights)
    if not int8_scores:
        return head.score(np.concatenate(exact)), head.score(np.concatenate(machines))
    return np.concatenate(float_scores), np.concatenate(int8_scores)


def _trials(machines: Sequence[Float64], fit: FleetFit) -> Iterator[CalibrationTrial]:
    """Yield calibrations on a few windows, on fewer where there are few, or on all but one."""
    for n_windows in range(MIN_CALIBRATION_WINDOWS, 0, -1):
        n_trials = 0
        for trial in calibration_trials(machines, fit, n_windows):
            n_trials += 1
            yield trial
        if n_trials:
            return
    for machine, windows in enumerate(machines):
        for i in range(len(windows)):
            others = [*machines[:machine], np.delete(windows, i, axis=0), *machines[machine + 1 :]]
            if len(windows) > 1 and max(map(len, others)) > 1:
                rows = slice(i, i + 1)
                fleet = fit(others)
                yield CalibrationTrial(machine, i, fleet, others[machine], windows[rows], rows)


def window_scores(detector: Detector, recordings: Sequence[Float32]) -> Float64:
    """(n,) scores of the windows, which do not overlap, of recordings (n_frames, n_mels) dB."""
    windows = [detector.independent(detector.windows_of_frames(frames)) for frames in recordings]
    return detector.head.score(np.concatenate(windows))


def score_drift(float_: Float64, int8: Float64) -> float:
    """By how much int8 moves scores (n,) against each other, in standard deviations of ``float_``.

    An error of a tenth makes the distance of a fault from normal sound half a percent smaller, in
    standard deviations of normal sound, an error of three tenths 5 percent.

    The standard deviation of a few windows whose scores happen to be close is taken as 0.1.
    """
    return score_movement(float_, int8) / max(float(np.std(float_)), MIN_SCORE_STD)


def score_movement(before: Float64, after: Float64) -> float:
    """Root mean square of what moves scores (n,) against each other.

    A change that all windows share does not count, because head and threshold are fitted on the
    int8 network's own outputs. Of one window alone the whole change counts.
    """
    change = after - before
    return float(np.std(change)) if len(change) > 1 else float(np.abs(change).max())


def residual_snr_db(float_: Float32, int8: Float32) -> float:
    """The power of a residual over that of the error that int8 adds to it, dB."""
    power = float(np.mean(np.square(float_)))
    error_power = float(np.mean(np.square(int8 - float_)))
    return float(10 * np.log10(max(power, MIN_POWER) / max(error_power, MIN_POWER)))


def check_residual(snr_db: float) -> None:
    """Raise ArtifactError if int8 leaves little of the residual.

    The scores alone do not show it: the head of the int8 network declares what rounding does to the
    features no fault, and so ignores a residual that is mostly error.
    """
    if not snr_db >= MIN_RESIDUAL_SNR_DB:
        raise ArtifactError(
            f"the residual of the int8 network is {snr_db:.1f} dB above its error, at least "
            f"{MIN_RESIDUAL_SNR_DB:g} are needed, so nothing is written and an older file stays; "
            f"train on more recordings, which set the ranges, or export without --int8"
        )


def rank_correlation(a: Float64, b: Float64) -> float:
    """Spearman's rank correlation of two series (n,), with mean ranks for ties.

    nan where it is undefined: for a constant series, and for fewer than two values.
    """
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(_mean_ranks(a), _mean_ranks(b))[0, 1])


def _mean_ranks(values: Float64) -> Float64:
    """(n,) rank of each value from 0 on; equal values share the mean of their ranks.

    In NumPy, because importing scipy.stats takes as long as a third of an export.
    """
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(counts) - 1
    return np.asarray((last_ranks - (counts - 1) / 2)[groups])


def _size_rows(float_: Artifact, int8: Artifact) -> list[Row]:
    network = [len(artifact.network_bytes()) / 1024 for artifact in (float_, int8)]
    file = [len(artifact.to_bytes()) / 1024 for artifact in (float_, int8)]
    return [Row("network", network[0], network[1], "KiB"), Row("file", file[0], file[1], "KiB")]


def _time_row(detectors: Sequence[Detector], patches: Float32, n: int) -> Row:
    """The time that ``n`` of the patches take."""
    batch = np.resize(patches, (n, *patches.shape[1:]))
    name = f"time of {n} patch" if n == 1 else f"time of {n} patches"
    float_time, int8_time = (_microseconds(detector, batch) for detector in detectors)
    return Row(name, float_time, int8_time, "us, one thread")


def _residual_rows(float_: Float32, int8: Float32, snr_db: float) -> list[Row]:
    float_energy = float(np.mean(np.square(float_)))
    int8_energy = float(np.mean(np.square(int8)))
    return [
        Row("mean squared residual", float_energy, int8_energy, "squared standard deviations"),
        Row("residual drift", None, snr_db, "dB below the residual"),
    ]


def _score_rows(float_: Float64, int8: Float64, drift: float) -> list[Row]:
    moved = np.abs(int8 - float_)
    unit = "standard deviations of the scores"
    return [
        Row("mean score of normal windows", float(float_.mean()), float(int8.mean()), "ln"),
        Row("score drift, mean", None, float(moved.mean()), "ln"),
        Row("score drift, worst", None, float(moved.max()), "ln"),
        Row("score drift, rms without its mean", None, drift, unit),
        Row("rank correlation of the scores", None, rank_correlation(float_, int8), "Spearman"),
    ]


def _microseconds(detector: Detector, patches: Float32) -> float:
    """Median time of the network for ``patches``."""
    times = []
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        detector.network(patches)
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e6)
