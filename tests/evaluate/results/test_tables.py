"""Tables for a terminal and as CSV files."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgeae.evaluate.results.evaluation_result import BudgetAlarms, Estimate, EvaluationResult
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.evaluate.results.summary import summarise
from edgeae.evaluate.results.tables import (
    alarms_table,
    in_columns,
    number,
    percent,
    ranking_table,
    rates_table,
    remarks,
    stream_table,
    terminal_text,
    with_interval,
    write_tables,
)


def _without_difference(result: EvaluationResult, difference: Estimate) -> EvaluationResult:
    return replace(result, mean=replace(result.mean, auc_difference=difference))


def test_numbers_have_so_many_digits_and_none_is_a_dash() -> None:
    assert [number(value) for value in (None, 3, 0.12345)] == ["-", "3", "0.123"]
    assert number(0.1, 4) == "0.1000"
    assert [percent(share) for share in (None, 0.256)] == ["-", "26%"]


def test_an_interval_stands_in_parentheses_where_there_is_one() -> None:
    assert with_interval(Estimate(0.973, 0.958, 0.986)) == "0.973 (0.958 to 0.986)"
    assert with_interval(Estimate(0.973)) == "0.973"
    assert with_interval(Estimate()) == "-"


def test_the_ranking_has_a_row_for_each_machine_and_the_means(
    good_result: EvaluationResult,
) -> None:
    rows = {row[0]: row[1:] for row in ranking_table(good_result)}
    *others, view = list(rows)[1:]
    assert others == ["id_00", "id_02", "mean", "harmonic mean", "no network", "difference"]
    assert view == "spectrum alone"
    assert rows["id_02"] == ["0.960 (0.940 to 0.980)", "0.800 (0.700 to 0.900)", "50", "50"]
    assert rows["no network"][:2] == ["0.950", "0.750"]
    assert rows["difference"][0] == "0.0200 (0.0100 to 0.0300)"


def test_one_machine_needs_no_means(good_result: EvaluationResult) -> None:
    alone = replace(good_result, machines={"id_00": good_result.machines["id_00"]})
    names = [row[0] for row in ranking_table(alone)[1:]]
    assert names == ["id_00", "no network", "difference", "spectrum alone"]
    assert [row[0] for row in rates_table(alone)[1:]] == ["id_00"]
    assert [row[0] for row in stream_table(alone)[1:]] == ["id_00"]


def test_rates_and_streams_have_a_row_for_all(good_result: EvaluationResult) -> None:
    rates = rates_table(good_result)[-1]
    assert rates == ["all", "0.000 (0.000 to 0.071)", "1.000", "0.900", "0.947", rates[-1]]
    assert rates[-1] == "0.800 (0.670 to 0.888)"
    stream = stream_table(good_result)[-1]
    assert stream == ["all", "1.00", "0", "0 (0 to 88)", "0%", "20", "4.0", "7.6", "10%"]


def test_alarms_at_a_budget_have_a_row_for_each_machine_and_their_mean(
    good_result: EvaluationResult,
) -> None:
    assert alarms_table(good_result) is None
    shares: dict[int, float | None] = {60: 0.5, 300: 1.0, 900: 1.0}
    rate = Estimate(12.0, 0.5, 60.0)
    alarms = BudgetAlarms("1/day", 2.0, 1, rate, shares, 50.0, (50.0, 100.0), 0, 0)
    machines = {
        name: replace(item, budget_alarms=alarms) for name, item in good_result.machines.items()
    }
    result = replace(good_result, machines=machines, mean_budget_alarms=alarms)
    table = alarms_table(result)
    assert table is not None
    assert [row[0] for row in table] == ["alarms at 1/day", "id_00", "id_02", "mean"]
    assert table[1][1:5] == ["2.00", "1", "12.0 (0.5 to 60.0)", "2"]
    assert table[1][5:] == ["50%", "100%", "100%", "50.0"]
    text = terminal_text(result)
    assert "alarms at 1/day" in text and "as a stream" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_columns_are_aligned() -> None:
    assert in_columns([["machine", "AUC"], ["a", "1"]]) == "machine  AUC\na          1"


def test_tables_fit_a_terminal_of_100_columns(good_result: EvaluationResult) -> None:
    assert max(map(len, terminal_text(good_result).splitlines())) <= 100


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Estimate(0.02), "do not show whether the network helps"),
        (Estimate(0.02, -0.01, 0.05), "does not change the AUC significantly"),
        (Estimate(0.02, 0.01, 0.03), "above that without the network"),
        (Estimate(-0.02, -0.03, -0.01), "below that without the network"),
    ],
)
def test_a_remark_says_whether_the_network_helps(
    good_result: EvaluationResult, difference: Estimate, words: str
) -> None:
    (remark,) = remarks(_without_difference(good_result, difference))
    assert words in remark


def test_a_remark_says_where_the_threshold_is_extrapolated(good_result: EvaluationResult) -> None:
    machine = replace(good_result.machines["id_00"], extrapolated_1_per_day=True)
    result = replace(good_result, machines={**good_result.machines, "id_00": machine})
    assert remarks(result)[-1].endswith("extrapolated.")


def test_the_files_hold_a_row_for_each_recording_and_machine(
    tested: Mapping[str, MachineTest], tmp_path: Path
) -> None:
    result = summarise("model.onnx", "gaussian", tested)
    write_tables(tmp_path / "new", tested, result)
    with (tmp_path / "new" / "anomaly_scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert [float(row["score"]) for row in scores] == [s.score for s in tested["id_03"].scores]
    assert {row["label"] for row in scores} == {"normal", "anomaly"}
    with (tmp_path / "new" / "test_results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["machine"] == "id_03"
    assert float(row["auc"]) == result.machines["id_03"].ranking.auc.value
    assert list(row)[1:] == list(result.machines["id_03"].to_row())
    assert float(row["spectrum_auc"]) == result.machines["id_03"].views["spectrum"].auc
    distances = [score.views["spectrum"] for score in tested["id_03"].scores]
    assert [float(score["spectrum_distance"]) for score in scores] == distances
