"""What to do next follows from the metrics."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgeae.evaluate.report.advice import advice
from edgeae.evaluate.results.budget_effects import BudgetEffect
from edgeae.evaluate.results.evaluation_result import (
    BudgetAlarms,
    Estimate,
    EvaluationResult,
    ViewAreas,
    WorstMachine,
)
from edgeae.evaluate.results.learning_curve import LearningCurve

Change = Callable[[EvaluationResult], EvaluationResult]


def _auc(value: float | None, low: float | None = None, high: float | None = None) -> Change:
    """Another mean AUC, and that of the worst machine with it."""
    return lambda result: replace(
        result,
        mean=replace(result.mean, auc=Estimate(value, low, high)),
        worst=WorstMachine("id_02", value),
    )


def _difference(value: float, low: float, high: float) -> Change:
    difference = Estimate(value, low, high)
    return lambda result: replace(result, mean=replace(result.mean, auc_difference=difference))


def _poor(result: EvaluationResult) -> EvaluationResult:
    return _difference(0.0, -0.1, 0.03)(_auc(0.7, 0.68, 0.72)(result))


def _few(result: EvaluationResult) -> EvaluationResult:
    machine = result.machines["id_00"]
    few = replace(machine, rates=replace(machine.rates, n_normal=4))
    return replace(result, machines={"id_00": few})


def _one_bad_machine(result: EvaluationResult) -> EvaluationResult:
    return replace(result, worst=WorstMachine("id_02", 0.8))


def _many_false_alarms(result: EvaluationResult) -> EvaluationResult:
    return replace(result, rates=replace(result.rates, false_alarm_rate=Estimate(0.3)))


def _alarms_in_the_stream(result: EvaluationResult) -> EvaluationResult:
    return replace(result, alarms=replace(result.alarms, false_alarms=2))


def _low_recall(result: EvaluationResult) -> EvaluationResult:
    return replace(result, rates=replace(result.rates, recall=0.1))


@pytest.mark.parametrize("has_identity", [True, False])
def test_a_network_that_does_harm_is_trained_without_an_embedding_if_it_has_one(
    good_result: EvaluationResult, has_identity: bool
) -> None:
    result = _difference(-0.05, -0.1, -0.01)(good_result)
    views = {"identity": ViewAreas(0.8, 0.6)} if has_identity else {}
    (sentence, *_) = advice(replace(result, views=views), 5, None)
    assert "Train on more normal sound" in sentence
    assert ("model.embedding=0" in sentence) == has_identity


def test_where_all_is_well_it_is_taken_to_the_machine(good_result: EvaluationResult) -> None:
    (only,) = advice(good_result, 5, None)
    assert "edgeae run" in only


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_auc(None), "anomalous sound of the same machine"),
        (_few, "at least five"),
        (_auc(1.0), "fainter ones"),
        (_auc(0.97, 0.85, 0.98), "between 0.85 and 0.98"),
        (_difference(-0.05, -0.1, -0.01), "worse than one without the network"),
        (_poor, "adds nothing"),
        (_auc(0.2, 0.18, 0.22), "check the labels"),
        (_one_bad_machine, "id_02 has the lowest AUC"),
        (_many_false_alarms, "30% of the normal recordings"),
        (_alarms_in_the_stream, "2 false alarms in 1 h"),
        (_low_recall, "misses 90% of the faults"),
    ],
)
def test_each_shortcoming_has_its_sentence(
    good_result: EvaluationResult, change: Change, words: str
) -> None:
    (only,) = advice(change(good_result), 5, None)
    assert words in only


def test_a_model_without_a_machine_is_to_be_calibrated(good_result: EvaluationResult) -> None:
    (only,) = advice(good_result, None, None)
    assert "--calibration-clips 5" in only


def test_a_calibrated_artifact_is_not_to_be_calibrated_first(good_result: EvaluationResult) -> None:
    assert "edgeae run" in advice(good_result, None, "pump-3")[0]


def test_a_head_without_a_threshold_gets_no_advice_about_it(good_result: EvaluationResult) -> None:
    rates = replace(good_result.rates, false_alarm_rate=Estimate(), recall=None)
    alarms = replace(good_result.alarms, false_alarms=None, normal_hours=None)
    assert "edgeae run" in advice(replace(good_result, rates=rates, alarms=alarms), 5, None)[0]


EFFECTS = [
    BudgetEffect("1/hour", 0.04, 0.6),
    BudgetEffect("1/day", 0.03, 0.3),
    BudgetEffect("1/week", 0.0, 0.1),
]


def test_another_budget_is_advised_with_its_computed_effect(good_result: EvaluationResult) -> None:
    (only,) = advice(_many_false_alarms(good_result), 5, None, EFFECTS)
    assert only == (
        "30% of the normal recordings are above the threshold. With `--false-alarms 1/hour` it "
        "would be 4%, and 60% of the faults instead of 90%."
    )
    (only,) = advice(_low_recall(good_result), 5, None, EFFECTS)
    assert "with `--false-alarms 1/hour` it would miss 40%, and 4% of the normal" in only


def test_a_budget_without_effect_is_not_advised(good_result: EvaluationResult) -> None:
    useless = [BudgetEffect("1/hour", 0.5, 0.1), BudgetEffect("1/week", 0.3, 0.1)]
    (only,) = advice(_many_false_alarms(good_result), 5, None, useless)
    assert "--false-alarms" not in only
    (only,) = advice(_low_recall(good_result), 5, None, useless)
    assert "to measure how soon it reports a fault that lasts" in only


@pytest.mark.parametrize(("found", "n_sentences"), [(0.5, 1), (0.95, 0)])
def test_single_recordings_that_are_missed_do_not_matter_if_alarms_find_the_faults(
    good_result: EvaluationResult, found: float, n_sentences: int
) -> None:
    shares = {60: 0.0, 300: 0.5, 900: found}
    alarms = BudgetAlarms("1/day", 2.0, 0, Estimate(0.0), shares, 100.0, (100.0,), 0, 0)
    result = replace(_low_recall(good_result), mean_budget_alarms=alarms)
    sentences = [text for text in advice(result, 5, None, EFFECTS) if "misses 90%" in text]
    assert len(sentences) == n_sentences


@pytest.mark.parametrize(("clips", "is_advised"), [(2, True), (5, False), (10, False)])
def test_more_clips_are_advised_if_the_curve_shows_their_effect(
    good_result: EvaluationResult, clips: int, is_advised: bool
) -> None:
    aucs = [np.array([0.8]), np.array([0.85, 0.9]), np.array([0.95]), np.array([0.96])]
    curve = LearningCurve([1, 2, 5, 10], aucs, 1)
    (only,) = advice(good_result, clips, None, (), curve)
    assert ("with 10 clips the AUC is 0.960, with 2 it is 0.875" in only) == is_advised
