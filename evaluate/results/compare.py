"""Two models on the same recordings, such as the float network and its int8 file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.system.arrays import Float64

from .metrics import UNKNOWN, Interval, areas, interval, resampled_areas
from .summary import Tested
from .tables import figure, with_interval


@dataclass(frozen=True)
class Paired:
    """What two models gave to the recordings of one machine that both could score."""

    scores: Float64  # (n, 2): of this model and of the other
    anomalous: NDArray[np.bool_]  # (n,)
    rank_correlation: float | None  # of the scores (Spearman)
    auc: tuple[float, float] | None  # None for one label only
    difference: Interval  # of the AUC, this less the other, 95 % from the same resamples for both


def paired(tested: Mapping[str, Tested], other: Mapping[str, Tested]) -> dict[str, Paired]:
    """Of each machine that both were tried on."""
    found = {
        machine: _pairs(tested[machine], other[machine]) for machine in tested if machine in other
    }
    return {
        machine: _compared(machine, *pairs) for machine, pairs in found.items() if len(pairs[0])
    }


def _pairs(tested: Tested, other: Tested) -> tuple[Float64, NDArray[np.bool_]]:
    theirs = {
        recording: score.score
        for recording, score in zip(other.recordings, other.scores, strict=True)
    }
    mine = zip(tested.recordings, tested.scores, strict=True)
    both = [(score, theirs[recording]) for recording, score in mine if recording in theirs]
    scores = np.array([[score.score, their] for score, their in both])
    return scores, np.array([score.label == "anomaly" for score, _ in both])


def _compared(machine: str, scores: Float64, anomalous: NDArray[np.bool_]) -> Paired:
    from scipy.stats import spearmanr

    moves = len(scores) > 2 and bool((np.ptp(scores, axis=0) > 0).all())
    rank = float(spearmanr(*scores.T).statistic) if moves else None
    if anomalous.all() or not anomalous.any():
        return Paired(scores, anomalous, rank, None, UNKNOWN)
    once = np.ones((1, len(scores)), np.int64)
    mine, theirs = (float(areas(column, anomalous, once)[0, 0]) for column in scores.T)
    drawn = resampled_areas(scores, anomalous, machine.encode())
    difference = UNKNOWN if drawn is None else interval(drawn[:, 0, 0] - drawn[:, 1, 0])
    return Paired(scores, anomalous, rank, (mine, theirs), difference)


def rows(found: Mapping[str, Paired], this: str, other: str) -> list[list[str]]:
    """A table of text, the first row being its head."""
    lines = [["machine", f"AUC of {this}", f"of {other}", "difference (95 %)", "rank correlation"]]
    for machine, pair in found.items():
        mine, theirs = pair.auc or UNKNOWN
        difference = None if mine is None or theirs is None else mine - theirs
        figures = {"d": difference, "d_low": pair.difference[0], "d_high": pair.difference[1]}
        lines.append([machine, figure(mine, 4), figure(theirs, 4), with_interval(figures, "d", 4)])
        lines[-1].append(figure(pair.rank_correlation, 5))
    return lines


def title(model: Path, other: Path) -> str:
    """What the comparison is one of."""
    return (
        "Float and int8"
        if ("int8" in model.name) != ("int8" in other.name)
        else "Against another model"
    )


def sibling(model: Path) -> Path | None:
    """The float file beside an int8 one, or the other way round."""
    name = {"model.int8.onnx": "model.onnx", "model.onnx": "model.int8.onnx"}.get(model.name)
    return model.parent / name if name and (model.parent / name).is_file() else None
