import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeae.evaluate.report.model_card import render_card
from edgeae.evaluate.report.saved_results import read_results
from edgeae.evaluate.results.evaluation_result import (
    BudgetAlarms,
    Estimate,
    EvaluationResult,
)
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.detector import Detector

if TYPE_CHECKING:
    from tests.conftest import Trained


def cells(page: str) -> list[list[str]]:
    return [line[2:-2].split(" | ") for line in page.splitlines() if line.startswith("| ")]


def test_what_evaluate_prints_stands_in_the_card(
    trained: "Trained", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = [
        "evaluate",
        str(trained.int8),
        str(trained.data),
        "--json",
        "-o",
        str(tmp_path / "evaluation"),
    ]
    assert run_command(evaluated) == 0
    printed = capsys.readouterr().out
    path = tmp_path / "results.json"
    path.write_text(printed)
    assert run_command(["info", str(trained.int8), "--card", "--results", str(path)]) == 0
    page = capsys.readouterr().out
    summary = json.loads(printed)
    ranking = {row[0]: row[1:] for row in cells(page) if len(row) == 5}
    metrics = summary["machines"]["id_01"]
    interval = f"{metrics['auc_low']:.3f} to {metrics['auc_high']:.3f}"
    assert ranking[r"id\_01"][0] == f"{metrics['auc']:.3f} ({interval})"
    assert ranking[r"id\_01"][2:] == ["6", "8"]
    assert ranking["mean"][0].startswith(f"{summary['mean']['auc']:.3f} (")
    assert ranking["no network"][0] == f"{summary['no_network']['auc']:.3f}"
    rates = {row[0]: row[1:] for row in cells(page) if len(row) == 6}
    assert rates["all"][0].startswith(f"{summary['all']['false_alarm_rate']:.3f} (")
    assert rates[r"id\_01"][2] == f"{metrics['recall']:.3f}"


def test_metrics_that_are_missing_or_no_numbers_are_dashes_and_names_no_markup(
    trained: "Trained", tmp_path: Path
) -> None:
    strange = {"auc": "<b>", "pauc": True, "pauc_low": [1], "n_normal": None, "recall": {}}
    path = tmp_path / "results.json"
    path.write_text(
        json.dumps({"model": "<i>|", "head": None, "machines": {"a|b": strange}, "no_network": 3})
    )
    card = render_card(Detector.load(trained.int8), trained.int8, path)
    page = card[card.index("## Results") : card.index("## Limits")]
    assert [len(row) for row in cells(page)] == [5] * 5 + [6] * 3 + [9] * 3
    assert ["a&#124;b", "-", "1.000", "-", "-"] not in cells(page)
    assert ["a&#124;b", "-", "-", "-", "-"] in cells(page)
    assert "<" not in page


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "3", '{"machines": []}', '{"machines": {"a": 1}}', "[" * 10**5]
)
def test_a_file_that_holds_no_results_is_refused_in_one_sentence(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="give what `edgeae evaluate MODEL DATA --json` printed"):
        read_results(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_results(tmp_path / "none.json")


def test_alarms_at_a_budget_are_read_back(good_result: EvaluationResult, tmp_path: Path) -> None:
    alarms = BudgetAlarms(
        budget="1/day",
        normal_hours=2.0,
        false_alarms=1,
        false_alarms_per_day=Estimate(12.0, 0.5, 60.0),
        found_within_s={60: 0.5, 300: 1.0, 900: None},
        median_delay_s=50.0,
        delays_s=(50.0, 100.0, None),
        early_alarms=1,
        not_judged=7,
    )
    machine = replace(good_result.machines["id_00"], budget_alarms=alarms)
    result = replace(good_result, machines={"id_00": machine}, mean_budget_alarms=alarms)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(result.to_json()))
    found = read_results(path)
    assert found.mean_budget_alarms == found.machines["id_00"].budget_alarms == alarms
    strange = {"alarms": {"budget": 3, "found_within_s": [], "delays_s": ["x", None, True]}}
    path.write_text(json.dumps({"machines": {"a": strange}}))
    read = read_results(path).machines["a"].budget_alarms
    assert read is not None and read.delays_s == (None, None, None)
    assert read.found_within_s == {60: None, 300: None, 900: None}
