"""The charts of an evaluation are named by their numbers, and drawn with what there is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edgeae.evaluate.report.charts import (
    MAX_DOTS,
    comparison_chart,
    delay_chart,
    learning_chart,
    precision_chart,
    roc_chart,
    scores_chart,
    sensitivity_chart,
)
from edgeae.evaluate.results.compare import ModelComparison
from edgeae.evaluate.results.evaluation_result import Estimate
from edgeae.evaluate.results.learning_curve import LearningCurve
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.sensitivity_table import band_changes

Tests = Mapping[str, MachineTest]


def test_curves_are_named_by_their_numbers(tested: Tests) -> None:
    roc = roc_chart("id_03", tested["id_03"])
    assert "ROC curve of id_03: AUC " in roc.svg
    precision = precision_chart("id_03", tested["id_03"])
    assert [entry.words for entry in precision.key][:2] == ["network", "without"]
    assert "var(--network)" in roc.svg and "var(--baseline)" in roc.svg


def test_histograms_show_the_labels_that_there_are(tested: Tests) -> None:
    test = tested["id_03"]
    both = scores_chart("id_03", test)
    assert [entry.words for entry in both.key] == ["normal", "anomaly"]
    assert ">threshold<" in both.svg
    normal = [k for k, score in enumerate(test.scores) if score.label == "normal"]
    alone = replace(
        test,
        recordings=[test.recordings[k] for k in normal],
        scores=[replace(test.scores[k], threshold=None) for k in normal],
    )
    chart = scores_chart("id_03", alone)
    assert [entry.words for entry in chart.key] == ["normal"]
    assert "without a threshold" in chart.svg and ">threshold<" not in chart.svg


@pytest.mark.parametrize(("calibration_clips", "has_ring"), [(2, True), (50, False)])
def test_the_ring_of_the_learning_curve_is_within_the_axis(
    calibration_clips: int, has_ring: bool
) -> None:
    aucs = [np.array([0.7, 0.8]), np.array([0.8, 0.9]), np.array([0.95])]
    chart = learning_chart(LearningCurve([1, 2, 5], aucs, 1), calibration_clips, 0.85)
    assert "0.750 with 1, 0.850 with 2, 0.950 with 5" in chart.svg
    assert ("stroke: var(--ink)" in chart.svg) == has_ring


@pytest.mark.parametrize("n", [1, 3 * MAX_DOTS])
def test_a_comparison_draws_a_limited_number_of_dots(n: int) -> None:
    scores = np.random.default_rng(0).normal(size=(n, 2))
    anomalous = np.zeros(n, np.bool_)
    comparison = ModelComparison(scores, anomalous, None, None, None, Estimate())
    chart = comparison_chart("id_00", comparison)
    assert "rank correlation" not in chart.svg
    assert len(chart.svg) < 5000 + 40 * MAX_DOTS


def test_a_curve_of_delays_rises_with_each_alarm_and_is_named_by_its_shares() -> None:
    chart = delay_chart("id_03", [3.0, 100.0, 800.0, None])
    assert "25% within 60 s, 50% within 300 s, 75% within 900 s" in chart.svg
    assert [entry.words for entry in chart.key] == ["3 of 4 faults"]
    for words in ("10 s", "1 min", "5 min", "15 min"):
        assert f">{words}<" in chart.svg


def test_a_curve_without_any_alarm_stays_at_the_bottom() -> None:
    chart = delay_chart("id_03", [None, 1000.0])
    assert [entry.words for entry in chart.key] == ["0 of 2 faults"]


def test_a_chart_of_the_sensitivity_has_a_dot_for_each_band_and_time() -> None:
    sections = [
        SensitivitySection(f"louder at {band}", "", strength, "dB", seconds, True)
        for band in ("62 to 250 Hz", "4 to 8 kHz")
        for seconds, strength in ((60.0, 6.0), (600.0, 3.0))
    ]
    chart = sensitivity_chart(band_changes(sections))
    assert "62 to 250 Hz: 6 dB, 4 to 8 kHz: 6 dB" in chart.svg
    assert [entry.words for entry in chart.key] == ["within 1 min", "within 10 min"]
    assert ">4 to 8 kHz<" in chart.svg


def test_a_band_whose_changes_are_not_detected_has_no_dot_but_a_remark() -> None:
    sections = [SensitivitySection("louder at 4 to 8 kHz", "", 12.0, "dB", 60.0, False)]
    chart = sensitivity_chart(band_changes(sections))
    assert chart.caption == "Without a dot: 12 dB raise no alarm."
    assert "4 to 8 kHz: &gt; 12 dB" in chart.svg
