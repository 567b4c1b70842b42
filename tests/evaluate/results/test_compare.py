"""Two models on the same recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.compare import (
    compare_models,
    comparison_table,
    comparison_title,
    counterpart,
)
from edgeae.evaluate.results.evaluation_result import Estimate
from edgeae.evaluate.results.recording_scores import MachineTest, RecordingScore
from edgeae.runtime.system.arrays import Float64


def selected(test: MachineTest, positions: Sequence[int]) -> MachineTest:
    """The test of some recordings."""
    return replace(
        test,
        scores=[test.scores[k] for k in positions],
        recordings=[test.recordings[k] for k in positions],
    )


def _with_scores(test: MachineTest, scores: Float64) -> list[RecordingScore]:
    return [replace(old, score=float(new)) for old, new in zip(test.scores, scores, strict=True)]


def test_a_model_agrees_with_itself(tested: Mapping[str, MachineTest]) -> None:
    comparison = compare_models(tested, tested)["id_03"]
    assert comparison.auc == comparison.other_auc
    assert comparison.rank_correlation == 1
    assert comparison.difference == Estimate(0.0)  # every resample says 0
    scores = [score.score for score in tested["id_03"].scores]
    assert np.array_equal(comparison.scores[:, 0], scores)


def test_recordings_are_paired_by_their_place_and_others_left_out(
    tested: Mapping[str, MachineTest],
) -> None:
    order = [5, 3, 0, 9, 8, 7, 13, 12]
    fewer = selected(tested["id_03"], order)
    comparisons = compare_models(tested, {"id_03": fewer, "id_99": fewer})
    assert list(comparisons) == ["id_03"]
    assert len(comparisons["id_03"].scores) == len(order)
    assert np.array_equal(*comparisons["id_03"].scores.T)


def test_a_machine_with_one_label_has_scores_but_no_area(
    tested: Mapping[str, MachineTest],
) -> None:
    machine = tested["id_03"]
    normal = [k for k, score in enumerate(machine.scores) if score.label == "normal"]
    comparison = compare_models({"id_03": selected(machine, normal)}, tested)["id_03"]
    assert comparison.auc is comparison.other_auc is None
    assert comparison.difference == Estimate()
    assert len(comparison.scores) == len(normal)


def test_the_difference_is_this_model_minus_the_other(
    tested: Mapping[str, MachineTest],
) -> None:
    machine = tested["id_03"]
    anomalous = machine.anomalous
    noise = np.random.default_rng(1).standard_normal(len(anomalous))
    good, reverse = (
        replace(machine, scores=_with_scores(machine, sign * (noise + 1.5 * anomalous)))
        for sign in (1, -1)
    )
    comparison = compare_models({"id_03": good}, {"id_03": reverse})["id_03"]
    assert comparison.auc is not None and comparison.other_auc is not None
    assert 0.5 < comparison.auc < 1
    assert comparison.auc + comparison.other_auc == pytest.approx(1)
    difference = comparison.difference
    assert difference.value is not None and difference.value == pytest.approx(
        2 * comparison.auc - 1
    )
    assert difference.low is not None and difference.high is not None
    assert difference.low < difference.value < difference.high
    assert comparison.rank_correlation == pytest.approx(-1)


def test_the_table_has_a_row_for_each_machine(tested: Mapping[str, MachineTest]) -> None:
    head, row = comparison_table(compare_models(tested, tested), "a.onnx", "b.onnx")
    assert head[:3] == ["machine", "AUC of a.onnx", "of b.onnx"]
    assert row[0] == "id_03" and row[1] == row[2]
    assert row[3:] == ["0.0000", "1.00000"]


def test_the_counterpart_of_a_model_is_the_other_file_of_its_export(tmp_path: Path) -> None:
    float_ = tmp_path / "model.onnx"
    int8 = tmp_path / "model.int8.onnx"
    assert counterpart(float_) is None
    float_.touch()
    int8.touch()
    assert (counterpart(float_), counterpart(int8)) == (int8, float_)
    assert counterpart(tmp_path / "machine.onnx") is None
    assert comparison_title(float_, int8) == "Float and int8"
    assert comparison_title(int8, int8) == "Against another model"
