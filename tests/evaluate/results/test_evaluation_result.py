"""The JSON of an evaluation: flat objects, in a fixed order."""

import json

from edgeae.evaluate.results.evaluation_result import (
    Alarms,
    Estimate,
    EvaluationResult,
    WorstMachine,
)

AREAS = [
    "auc",
    "auc_low",
    "auc_high",
    "no_network_auc",
    "auc_difference",
    "auc_difference_low",
    "auc_difference_high",
    "pauc",
    "pauc_low",
    "pauc_high",
    "no_network_pauc",
    "pauc_difference",
    "pauc_difference_low",
    "pauc_difference_high",
]
RATES = [
    "n_normal",
    "n_anomaly",
    "false_alarm_rate",
    "false_alarm_rate_low",
    "false_alarm_rate_high",
    "detection_rate",
    "precision",
    "recall",
    "f1",
    "recall_1_per_day",
    "recall_1_per_day_low",
    "recall_1_per_day_high",
    "n_not_judged",
]
ALARMS = [
    "normal_hours",
    "false_alarms",
    "false_alarms_per_day",
    "false_alarms_per_day_low",
    "false_alarms_per_day_high",
    "share_in_alarm",
    "splices",
    "early_alarms",
    "delay_median_s",
    "delay_p90_s",
    "never_detected",
]


def test_the_json_has_the_keys_of_the_contract_in_order(good_result: EvaluationResult) -> None:
    found = good_result.to_json()
    assert list(found) == [
        "model",
        "head",
        "max_fpr",
        "machines",
        "mean",
        "harmonic_mean",
        "worst",
        "no_network",
        "views",
        "all",
    ]
    machines, mean, all_, baseline, worst = (
        found[key] for key in ("machines", "mean", "all", "no_network", "worst")
    )
    assert isinstance(machines, dict) and isinstance(machines["id_00"], dict)
    assert list(machines["id_00"]) == [*AREAS, *RATES, "extrapolated_1_per_day", *ALARMS, "views"]
    assert isinstance(mean, dict)
    assert list(mean) == [
        *(key for key in AREAS if "no_network" not in key and "difference" not in key),
        *("false_alarm_rate", "precision", "recall", "f1", "recall_1_per_day"),
    ]
    assert isinstance(all_, dict) and list(all_) == [*RATES, *ALARMS]
    assert isinstance(baseline, dict)
    assert list(baseline) == ["auc", "pauc", *(key for key in AREAS if "difference" in key)]
    assert worst == {"machine": "id_02", "auc": 0.96}


def test_the_json_has_the_values_of_the_fields(good_result: EvaluationResult) -> None:
    found = json.loads(json.dumps(good_result.to_json()))
    machine = found["machines"]["id_02"]
    assert (machine["auc"], machine["auc_low"], machine["auc_high"]) == (0.96, 0.94, 0.98)
    assert machine["recall_1_per_day_low"] == 0.67
    assert machine["delay_p90_s"] == 7.6
    assert found["mean"]["auc"] == 0.97 and found["no_network"]["auc"] == 0.95
    assert found["no_network"]["auc_difference_low"] == 0.01
    assert found["all"]["false_alarms_per_day_high"] == 88.5


def test_each_view_has_areas_of_its_own(good_result: EvaluationResult) -> None:
    found = good_result.to_json()
    assert found["views"] == {"spectrum": {"auc": 0.8, "pauc": 0.7}}
    machine = good_result.machines["id_00"]
    assert machine.to_json()["views"] == {"spectrum": {"auc": 0.9, "pauc": None}}
    assert machine.to_row()["spectrum_auc"] == 0.9
    assert "views" not in machine.to_row()


def test_what_is_unknown_is_null() -> None:
    assert set(Alarms().to_json().values()) == {None}
    assert Estimate() == Estimate(None, None, None)


def test_the_worst_machine_is_that_with_the_lowest_auc(good_result: EvaluationResult) -> None:
    assert WorstMachine.of(good_result.machines) == WorstMachine("id_02", 0.96)
    assert WorstMachine.of({}) == WorstMachine(None, None)
