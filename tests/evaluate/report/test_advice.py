"""What to do next follows from the figures."""

import pytest

from edgeae.evaluate.report.advice import advice

MACHINE = {"n_normal": 50, "n_anomaly": 50}
GOOD = {
    "machines": {"id_00": MACHINE, "id_02": MACHINE},
    "mean": {"auc": 0.97, "auc_low": 0.95, "auc_high": 0.98},
    "worst": {"machine": "id_02", "auc": 0.96},
    "no_network": {"auc_difference_low": 0.01, "auc_difference_high": 0.03},
    "all": {"false_alarm_rate": 0.0, "recall": 0.9, "false_alarms": 0, "normal_hours": 1.0},
}


def _advice(clips=5, machine=None, **changes):
    found = {name: {**section, **changes.get(name, {})} for name, section in GOOD.items()}
    return advice(found, clips, machine)


def test_where_all_is_well_it_is_taken_to_the_machine():
    (only,) = _advice()
    assert "edgeae run" in only


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mean": {"auc": None}}, "anomalous sound of the same machine"),
        ({"machines": {"id_00": {"n_normal": 4, "n_anomaly": 50}}}, "at least five"),
        ({"mean": {"auc": 1.0, "auc_low": None, "auc_high": None}}, "fainter ones"),
        ({"mean": {"auc_low": 0.85}}, "between 0.85 and 0.98"),
        (
            {"no_network": {"auc_difference_low": -0.1, "auc_difference_high": -0.01}},
            "worse than none",
        ),
        (
            {
                "mean": {"auc": 0.7, "auc_low": 0.68, "auc_high": 0.72},
                "worst": {"auc": 0.69},
                "no_network": {"auc_difference_low": -0.1},
            },
            "adds nothing",
        ),
        ({"mean": {"auc": 0.2}, "worst": {"auc": 0.2}}, "check the labels"),
        ({"worst": {"auc": 0.8}}, "id_02 is told apart worst"),
        ({"all": {"false_alarm_rate": 0.3}}, "30% of the normal recordings"),
        ({"all": {"false_alarms": 2}}, "2 false alarms in 1 h"),
        ({"all": {"recall": 0.1}}, "90% of the faults pass"),
        ({"clips": None}, "--calibration-clips 5"),
    ],
)
def test_each_shortcoming_has_its_sentence(changes, word):
    (only,) = _advice(**changes)
    assert word in only


def test_a_calibrated_artifact_is_not_to_be_calibrated_first():
    assert "edgeae run" in _advice(clips=None, machine="pump-3")[0]


def test_a_head_without_a_threshold_gets_no_advice_about_it():
    none = {"false_alarm_rate": None, "recall": None, "false_alarms": None, "normal_hours": None}
    assert "edgeae run" in _advice(all=none)[0]
