"""Two models on the same recordings, such as the float network and its int8 file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.system.arrays import Float64

from .evaluation_result import Estimate
from .metrics import Bools, areas, interval, resampled_areas
from .recording_scores import MachineTest
from .tables import Table, number, with_interval

MIN_SCORES_FOR_CORRELATION = 3
# The int8 file that an export writes beside the float one.
FLOAT_NAME = "model.onnx"
INT8_NAME = "model.int8.onnx"


@dataclass(frozen=True)
class ModelComparison:
    """The scores of two models for the recordings of one machine that both could score."""

    scores: Float64  # (n, 2): of this model and of the other
    anomalous: Bools  # (n,)
    rank_correlation: float | None  # of the scores (Spearman)
    auc: float | None  # of this model; None for recordings of one label only
    other_auc: float | None
    difference: Estimate  # of the AUC, this minus the other; both models on the same resamples


def compare_models(
    tests: Mapping[str, MachineTest], other_tests: Mapping[str, MachineTest]
) -> dict[str, ModelComparison]:
    """The comparison for each machine that both models were tested on."""
    comparisons = {}
    for machine in tests:
        if machine in other_tests:
            scores, anomalous = _common_scores(tests[machine], other_tests[machine])
            if len(scores):
                comparisons[machine] = _compare(machine, scores, anomalous)
    return comparisons


def _common_scores(test: MachineTest, other: MachineTest) -> tuple[Float64, Bools]:
    """(n, 2) scores and (n,) labels of the recordings that both models scored."""
    other_scores = {
        recording: score.score
        for recording, score in zip(other.recordings, other.scores, strict=True)
    }
    scores = []
    anomalous = []
    for recording, score in zip(test.recordings, test.scores, strict=True):
        if recording in other_scores:
            scores.append([score.score, other_scores[recording]])
            anomalous.append(score.label == "anomaly")
    return np.array(scores), np.array(anomalous, np.bool_)


def _compare(machine: str, scores: Float64, anomalous: Bools) -> ModelComparison:
    correlation = _rank_correlation(scores)
    if anomalous.all() or not anomalous.any():
        return ModelComparison(scores, anomalous, correlation, None, None, Estimate())
    once = np.ones((1, len(scores)), np.int64)
    auc, other_auc = (float(areas(column, anomalous, once)[0, 0]) for column in scores.T)
    difference = Estimate(auc - other_auc)
    resampled = resampled_areas(scores, anomalous, machine.encode())
    if resampled is not None:
        bounds = interval(resampled[:, 0, 0] - resampled[:, 1, 0])
        difference = Estimate(auc - other_auc, *bounds)
    return ModelComparison(scores, anomalous, correlation, auc, other_auc, difference)


def _rank_correlation(scores: Float64) -> float | None:
    """Spearman's; None for few scores, or where one model gives the same score to all."""
    from scipy.stats import spearmanr

    if len(scores) < MIN_SCORES_FOR_CORRELATION or not (np.ptp(scores, axis=0) > 0).all():
        return None
    return float(spearmanr(*scores.T).statistic)


def comparison_table(
    comparisons: Mapping[str, ModelComparison], this_name: str, other_name: str
) -> Table:
    """A row for each machine; the first row is the head."""
    rows = [
        [
            "machine",
            f"AUC of {this_name}",
            f"of {other_name}",
            "difference (95 %)",
            "rank correlation",
        ]
    ]
    for machine, comparison in comparisons.items():
        rows.append(
            [
                machine,
                number(comparison.auc, 4),
                number(comparison.other_auc, 4),
                with_interval(comparison.difference, 4),
                number(comparison.rank_correlation, 5),
            ]
        )
    return rows


def comparison_title(model: Path, other: Path) -> str:
    """The title of the comparison."""
    if ("int8" in model.name) != ("int8" in other.name):
        return "Float and int8"
    return "Against another model"


def counterpart(model: Path) -> Path | None:
    """The float file beside an int8 one, or the other way round; None if there is none."""
    name = {INT8_NAME: FLOAT_NAME, FLOAT_NAME: INT8_NAME}.get(model.name)
    if name is None:
        return None
    path = model.parent / name
    return path if path.is_file() else None
