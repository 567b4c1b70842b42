"""From scored recordings to the metrics of machines and of all together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from edgeae.evaluate.results.evaluation_result import Alarms, Estimate, WorstMachine
from edgeae.evaluate.results.metrics import interval, share_interval
from edgeae.evaluate.results.recording_scores import MachineTest, RecordingScore
from edgeae.evaluate.results.summary import machine_result, rates, resamples_of, summarise
from edgeae.evaluate.results.tables import domains_table, terminal_text
from edgeae.evaluate.streams.simulation import FaultDelay, StreamCounts
from edgeae.runtime.audio.recordings import Domain, Recording
from edgeae.runtime.scoring.detector import Detector

THRESHOLD = 0.5


@pytest.fixture(scope="module")
def detector(tested: Mapping[str, MachineTest]) -> Detector:
    return tested["id_03"].detector


def _machine(
    detector: Detector, name: str, normal: Sequence[float], anomalous: Sequence[float]
) -> MachineTest:
    """A machine with these scores; without the network scores are half a unit off."""
    scores = [
        RecordingScore(
            file=f"{i}.wav",
            machine=name,
            label="normal" if i < len(normal) else "anomaly",
            score=score,
            no_network=score + 0.5 * (-1) ** i,
            threshold=THRESHOLD,
            anomaly=score > THRESHOLD,
            anomaly_1_per_day=score > 2 * THRESHOLD,
            views={"spectrum": -score, "variation": score},
        )
        for i, score in enumerate([*normal, *anomalous])
    ]
    recordings = [Recording(Path(name, score.file), score.label, name) for score in scores]
    return MachineTest(detector, recordings, scores, None, None)


def _random_machine(detector: Detector, name: str, normals: int, anomalies: int) -> MachineTest:
    rng = np.random.default_rng(normals)
    normal = rng.standard_normal(normals)
    return _machine(detector, name, list(normal), list(1 + rng.standard_normal(anomalies)))


def test_each_view_is_ranked_alone(detector: Detector) -> None:
    tests = {name: _random_machine(detector, name, n, 60) for name, n in (("a", 40), ("b", 50))}
    result = summarise("model.onnx", "gaussian", tests)
    for machine in result.machines.values():
        auc = machine.ranking.auc.value
        assert auc is not None
        assert machine.views["variation"].auc == pytest.approx(auc)
        assert machine.views["spectrum"].auc == pytest.approx(1 - auc)
    assert result.views["variation"].auc == pytest.approx(result.mean.auc.value)


def test_the_areas_of_a_machine_are_those_of_scikit_learn(detector: Detector) -> None:
    test = _random_machine(detector, "id_00", 40, 60)
    ranking = machine_result(test, None).ranking
    network, baseline = test.both_scores.T
    assert ranking.auc == Estimate(roc_auc_score(test.anomalous, network))
    assert ranking.pauc == Estimate(roc_auc_score(test.anomalous, network, max_fpr=0.1))
    assert ranking.no_network_auc == roc_auc_score(test.anomalous, baseline)
    assert ranking.no_network_pauc == roc_auc_score(test.anomalous, baseline, max_fpr=0.1)
    assert ranking.auc.value is not None and ranking.no_network_auc is not None
    assert ranking.auc_difference.value == ranking.auc.value - ranking.no_network_auc


def test_intervals_hold_their_values(detector: Detector) -> None:
    test = _random_machine(detector, "id_00", 60, 60)
    ranking = machine_result(test, resamples_of(test)).ranking
    for estimate in (ranking.auc, ranking.auc_difference, ranking.pauc, ranking.pauc_difference):
        assert estimate.value is not None and estimate.low is not None
        assert estimate.high is not None
        assert estimate.low < estimate.value < estimate.high


def test_rates_are_those_of_scikit_learn(detector: Detector) -> None:
    scores = _random_machine(detector, "id_00", 40, 60).scores
    truth = [score.label == "anomaly" for score in scores]
    above = [score.anomaly for score in scores]
    found = rates(scores)
    assert (found.n_normal, found.n_anomaly) == (40, 60)
    assert found.precision == pytest.approx(precision_score(truth, above))
    assert found.recall == found.detection_rate == pytest.approx(recall_score(truth, above))
    assert found.f1 == pytest.approx(f1_score(truth, above))


def test_shares_have_the_interval_of_their_recordings(detector: Detector) -> None:
    found = rates(_machine(detector, "id_00", [0, 0, 0, 1], [0.6, 0.7, 2, 3, 4]).scores)
    assert found.false_alarm_rate == Estimate(0.25, *share_interval(1, 4))
    assert found.recall_1_per_day == Estimate(0.6, *share_interval(3, 5))
    assert found.recall == 1.0


def test_without_a_threshold_there_are_counts_only(detector: Detector) -> None:
    scores = [
        replace(score, threshold=None, anomaly=None, anomaly_1_per_day=None)
        for score in _machine(detector, "id_00", [0.0], [1.0]).scores
    ]
    found = rates(scores)
    assert (found.n_normal, found.n_anomaly) == (1, 1)
    assert found.false_alarm_rate == found.recall_1_per_day == Estimate()
    assert found.precision is found.recall is found.f1 is None


def test_without_anomalies_precision_and_recall_are_unknown(detector: Detector) -> None:
    found = rates(_machine(detector, "id_00", [0.0, 1.0], []).scores)
    assert found.precision is found.recall is found.f1 is found.recall_1_per_day.value is None
    assert found.false_alarm_rate.value == 0.5


def test_precision_is_unknown_where_nothing_is_above_the_threshold(detector: Detector) -> None:
    found = rates(_machine(detector, "id_00", [0.0], [0.1]).scores)
    assert found.precision is None and found.recall == 0.0


def test_the_mean_gives_each_machine_the_same_weight(detector: Detector) -> None:
    """A mean over machines, not over recordings: the large machine does not decide it."""
    tests = {
        "id_00": _machine(detector, "id_00", [0.0, 1.0] * 50, [0.5] * 100),  # AUC .5
        "id_01": _machine(detector, "id_01", [0.0] * 5, [1.0] * 5),  # AUC 1
    }
    result = summarise("model.onnx", "gaussian", tests)
    assert result.mean.auc.value == 0.75
    assert result.harmonic_mean.auc == pytest.approx(2 / 3)
    assert result.worst == WorstMachine("id_00", 0.5)
    assert result.mean_rates.false_alarm_rate == pytest.approx((0.5 + 0) / 2)
    assert result.mean_rates.recall == pytest.approx((0 + 1) / 2)
    assert result.rates.false_alarm_rate.value == pytest.approx(50 / 105)
    assert result.rates.recall == pytest.approx(5 / 105)


def test_a_machine_of_one_label_is_left_out_of_the_mean_of_areas_only(detector: Detector) -> None:
    tests = {
        "id_00": _random_machine(detector, "id_00", 20, 20),
        "id_01": _machine(detector, "id_01", [1.0] * 10, []),
    }
    result = summarise("model.onnx", "gaussian", tests)
    assert result.machines["id_01"].ranking.auc == Estimate()
    assert result.mean == result.machines["id_00"].ranking
    assert result.worst.machine == "id_00"
    assert result.rates.n_normal == 30


def test_the_mean_is_resampled_within_each_machine(detector: Detector) -> None:
    """Three machines are three times the evidence, so the interval of their mean is narrower."""
    sizes = (("a", 40), ("b", 41), ("c", 42))
    tests = {name: _random_machine(detector, name, n, n) for name, n in sizes}
    result = summarise("model.onnx", "gaussian", tests)
    resamples = [resamples_of(test) for test in tests.values()]
    expected = np.mean([areas[:, 0, 0] for areas in resamples if areas is not None], axis=0)
    assert (result.mean.auc.low, result.mean.auc.high) == interval(expected)
    assert _width(result.mean.auc) < 0.75 * _width(result.machines["a"].ranking.auc)


def _width(estimate: Estimate) -> float:
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


def test_a_difference_is_one_on_the_same_resamples(detector: Detector) -> None:
    """Two detectors that rank nearly alike differ by less than either is uncertain."""
    test = _random_machine(detector, "id_00", 60, 60)
    rng = np.random.default_rng(0)
    alike = [
        replace(score, no_network=score.score + 0.05 * float(rng.standard_normal()))
        for score in test.scores
    ]
    test = replace(test, scores=alike)
    ranking = machine_result(test, resamples_of(test)).ranking
    assert _width(ranking.auc_difference) < _width(ranking.auc) / 3
    assert _width(ranking.pauc_difference) < _width(ranking.pauc) / 2


def test_the_mean_has_no_interval_where_a_machine_has_none(detector: Detector) -> None:
    tests = {name: _random_machine(detector, name, n, n) for name, n in (("a", 40), ("b", 4))}
    result = summarise("model.onnx", "gaussian", tests)
    assert result.machines["a"].ranking.auc.low is not None
    assert result.mean.auc.value is not None
    assert result.mean.auc.low is result.mean.auc.high is None


def test_streams_of_all_machines_add_up(detector: Detector) -> None:
    counts = StreamCounts(
        3600.0, 3600.0, 1, 100, 10, 0, (FaultDelay("x", 2.0), FaultDelay("x", None))
    )
    tests = {
        name: replace(_random_machine(detector, name, 5, 5), stream=counts) for name in ("a", "b")
    }
    result = summarise("model.onnx", "gaussian", tests)
    assert result.alarms.normal_hours == 2.0
    assert result.alarms.false_alarms == 2
    assert result.alarms.splices == 4
    assert result.mean_budget_alarms is result.machines["a"].budget_alarms is None
    at_budget = summarise("model.onnx", "gaussian", tests, "1/day")
    assert at_budget.mean_budget_alarms is not None
    assert at_budget.mean_budget_alarms.budget == "1/day"
    assert at_budget.mean_budget_alarms.found_within_s[60] == 0.5
    assert at_budget.machines["b"].budget_alarms is not None
    without = {name: replace(test, stream=None) for name, test in tests.items()}
    assert summarise("model.onnx", "gaussian", without).alarms == Alarms()


def test_without_any_anomaly_nothing_is_ranked(detector: Detector) -> None:
    result = summarise("m", "mse", {"a": _machine(detector, "a", [0.0, 1.0], [])})
    assert result.mean.auc == result.mean.auc_difference == Estimate()
    assert result.worst == WorstMachine(None, None)
    assert result.harmonic_mean.auc is result.harmonic_mean.pauc is None


def test_two_domains_of_a_machine_are_reported_apart(detector: Detector) -> None:
    test = _machine(detector, "section_00", [0.1, 0.3, 0.4, 0.6], [0.5, 0.2, 0.9, 0.8])
    assert machine_result(test, None).domains == {}
    domains: list[Domain] = ["source", "target"]
    recordings = [replace(item, domain=domains[i % 2]) for i, item in enumerate(test.recordings)]
    result = machine_result(replace(test, recordings=recordings), None)
    # The normal recordings of a domain against the faulty ones of both.
    assert {
        name: (each.auc, each.n_normal, each.n_anomaly) for name, each in result.domains.items()
    } == {"source": (7 / 8, 2, 4), "target": (5 / 8, 2, 4)}
    values = result.to_json()["domains"]
    assert isinstance(values, dict) and list(values) == ["source", "target"]
    evaluation = summarise("m", "gaussian", {"section_00": replace(test, recordings=recordings)})
    table = domains_table(evaluation)
    assert table is not None and table[2][:2] == ["section_00 target", "0.625"]
    # The harmonic mean of 7/8, 5/8 and the pAUC of the section.
    pauc = result.ranking.pauc.value
    assert pauc is not None
    score = 3 / (8 / 7 + 8 / 5 + 1 / pauc)
    assert evaluation.harmonic_mean.challenge == pytest.approx(score)
    assert table[3] == ["DCASE score", f"{score:.3f}", "", "", ""]
    assert "section_00 source" in terminal_text(evaluation)
    assert domains_table(summarise("m", "gaussian", {"section_00": test})) is None
