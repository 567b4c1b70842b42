"""What to do next follows from the metrics."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from edgeae.evaluate.report.advice import advice
from edgeae.evaluate.results.evaluation_result import Estimate, EvaluationResult, WorstMachine

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
