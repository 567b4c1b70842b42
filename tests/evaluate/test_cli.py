"""`edgeae evaluate` from the command line: what it prints and writes."""

import contextlib
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.evaluate.results import scoring_task
from edgeae.evaluate.results.recording_scores import Scores
from edgeae.runtime.audio.recordings import audio_files, scan
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.train.run_folder import best_checkpoint
from tests.conftest import Trained

Row = dict[str, str]


@dataclass(frozen=True)
class Evaluated:
    """What a command printed and wrote."""

    folder: Path
    result: dict[str, Any]  # the object of --json

    def rows(self, name: str = "anomaly_scores") -> list[Row]:
        return list(csv.DictReader((self.folder / f"{name}.csv").read_text().splitlines()))


def evaluate(folder: Path, *arguments: object, page: bool = False) -> Evaluated:
    """Run the command with its results in ``folder``.

    page: write report.html as well; its charts take longer than all the rest.
    """
    out, err = io.StringIO(), io.StringIO()
    command = ["evaluate", *map(str, arguments), "-o", str(folder), "--json"]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.nullcontext() if page else without_page(),
    ):
        code = run_command(command)
    assert code == 0, err.getvalue()
    return Evaluated(folder, json.loads(out.getvalue()))


@contextlib.contextmanager
def without_page() -> Iterator[None]:
    """`edgeae evaluate` writes no report.html."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeae.evaluate.report.evaluation.write_report", lambda *_: None)
        yield


def run(*arguments: object) -> int:
    """Run a command that writes no report.html; returns its exit code."""
    with without_page():
        return run_command(list(map(str, arguments)))


@pytest.fixture(scope="module")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """The new machine, calibrated on five clips."""
    folder = tmp_path_factory.mktemp("evaluated")
    return evaluate(folder, trained.int8, trained.new, "--calibration-clips", 5, page=True)


def _data_of(trained: Trained, folder: Path, pattern: str) -> Path:
    """A data set of links to the new machine's recordings."""
    (folder / "test").mkdir(parents=True)
    (folder / "train").symlink_to(trained.new / "train")
    for path in (trained.new / "test").glob(pattern):
        (folder / "test" / path.name).symlink_to(path)
    return folder


def test_json_has_the_keys_of_the_contract(evaluated: Evaluated) -> None:
    result = evaluated.result
    keys = {
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
    }
    assert result.keys() == keys
    machine = result["machines"]["id_03"]
    assert {"auc", "pauc", "n_normal", "n_anomaly", "false_alarm_rate"} <= machine.keys()
    assert machine["n_anomaly"] == 8
    assert result["head"] == "gaussian"


def test_auc_is_that_of_the_scores_in_the_table(evaluated: Evaluated) -> None:
    rows = evaluated.rows()
    truth = [row["label"] == "anomaly" for row in rows]
    scores = [float(row["score"]) for row in rows]
    mean = evaluated.result["mean"]
    assert mean["auc"] == pytest.approx(roc_auc_score(truth, scores))
    assert mean["pauc"] == pytest.approx(roc_auc_score(truth, scores, max_fpr=0.1))
    assert [row["machine"] for row in evaluated.rows("test_results")] == ["id_03"]


def test_the_partial_area_ends_at_the_max_fpr_of_the_models_configuration(
    trained: Trained, tmp_path: Path
) -> None:
    artifact = Artifact.read(trained.int8)
    config = artifact.provenance["config"]
    changed = {**config, "scoring": {**config["scoring"], "max_fpr": 0.2}}
    model = tmp_path / "model.onnx"
    provenance = {**artifact.provenance, "config": changed}
    artifact.with_sections(provenance=provenance).write(model)
    data = _data_of(trained, tmp_path / "data", "*")
    fault = sorted((data / "test").glob("anomaly_*"))[0]
    fault.rename(fault.with_name(fault.name.replace("anomaly", "normal")[:-5] + "9.wav"))
    evaluated = evaluate(tmp_path / "evaluation", model, data, page=True)
    rows = evaluated.rows()
    truth = [row["label"] == "anomaly" for row in rows]
    scores = [float(row["score"]) for row in rows]
    baseline = [float(row["no_network"]) for row in rows]
    spectrum = [float(row["spectrum_distance"]) for row in rows]
    pauc = roc_auc_score(truth, scores, max_fpr=0.2)
    # One recording has the wrong label, so that the areas differ.
    assert pauc != pytest.approx(roc_auc_score(truth, scores, max_fpr=0.1), abs=1e-6)
    result = evaluated.result
    assert result["max_fpr"] == 0.2
    assert result["mean"]["pauc"] == pytest.approx(pauc)
    assert result["no_network"]["pauc"] == pytest.approx(
        roc_auc_score(truth, baseline, max_fpr=0.2)
    )
    assert result["views"]["spectrum"]["pauc"] == pytest.approx(
        roc_auc_score(truth, spectrum, max_fpr=0.2)
    )
    assert float(evaluated.rows("test_results")[0]["pauc"]) == pytest.approx(pauc)
    assert "max_fpr=0.2" in (evaluated.folder / "report.html").read_text()


def test_calibration_on_a_new_machine_separates_its_faults(evaluated: Evaluated) -> None:
    assert evaluated.result["mean"]["auc"] > 0.75
    assert evaluated.result["no_network"]["auc"] > 0.75


def test_the_rates_of_one_machine_are_those_of_all(evaluated: Evaluated) -> None:
    machine, all_ = evaluated.result["machines"]["id_03"], evaluated.result["all"]
    assert {key: all_[key] for key in machine.keys() & all_.keys()}.items() <= machine.items()


def test_own_head_is_used_without_calibration_clips(trained: Trained, tmp_path: Path) -> None:
    row = evaluate(tmp_path, trained.int8, trained.new).rows()[0]
    detector = Detector.load(trained.int8)
    windows = list(detector.read(trained.new / "test" / row["file"]))
    assert float(row["score"]) == pytest.approx(detector.mean_score(windows))
    assert float(row["threshold"]) == detector.threshold.value


def test_calibrate_then_evaluate_equals_evaluate_with_calibration_clips(
    trained: Trained, evaluated: Evaluated, tmp_path: Path
) -> None:
    machine = tmp_path / "machine.onnx"
    assert (
        run(
            "calibrate",
            "--no-known-sensitivity",
            trained.int8,
            trained.new,
            "--clips",
            5,
            "-o",
            machine,
        )
        == 0
    )
    found = evaluate(tmp_path, machine, trained.new)
    assert found.result["machines"] == evaluated.result["machines"]


def test_recall_at_one_false_alarm_a_day_is_that_of_a_calibration_for_it(
    trained: Trained, evaluated: Evaluated, tmp_path: Path
) -> None:
    machine = tmp_path / "machine.onnx"
    budget = ["--clips", 5, "--false-alarms", "20%"]
    assert (
        run(
            "calibrate", "--no-known-sensitivity", trained.int8, trained.new, *budget, "-o", machine
        )
        == 0
    )
    often = evaluate(tmp_path, machine, trained.new).result["machines"]["id_03"]
    daily = evaluated.result["machines"]["id_03"]
    assert often["recall_1_per_day"] == daily["recall_1_per_day"] == daily["recall"]
    assert often["recall"] >= often["recall_1_per_day"]


@pytest.fixture(scope="module")
def float_artifact(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("float")
    return evaluate(folder, trained.float_, trained.new, "--calibration-clips", 5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["run", "checkpoint"])
def test_trained_network_scores_as_its_float_artifact(
    trained: Trained, float_artifact: Evaluated, tmp_path: Path, model: str
) -> None:
    path = trained.run if model == "run" else best_checkpoint(trained.run)
    torch = evaluate(tmp_path, path, trained.new, "--calibration-clips", 5)
    scores = [
        np.array([float(row["score"]) for row in found.rows()]) for found in (torch, float_artifact)
    ]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3
    expected = float_artifact.result["mean"]["auc"]
    assert torch.result["mean"]["auc"] == pytest.approx(expected, abs=0.03)


def test_machine_without_anomalies_has_no_auc(trained: Trained, tmp_path: Path) -> None:
    data = _data_of(trained, tmp_path / "data", "normal*")
    result = evaluate(tmp_path, trained.int8, data, "--calibration-clips", 5).result
    assert result["worst"] == {"machine": None, "auc": None}
    assert result["harmonic_mean"] == {"auc": None, "pauc": None, "challenge": None}
    machine = result["machines"]["id_03"]
    assert machine["splices"] == 0 and machine["false_alarms"] is not None
    for key in (
        "auc",
        "auc_low",
        "auc_difference",
        "precision",
        "recall",
        "f1",
        "recall_1_per_day",
        "never_detected",
    ):
        assert machine[key] is None


def test_too_few_calibration_clips_are_named(
    capsys: pytest.CaptureFixture[str], trained: Trained
) -> None:
    assert run("evaluate", trained.int8, trained.new, "--calibration-clips", 99) == 2
    assert "id_03 has 6 training recordings" in capsys.readouterr().err


def test_bad_recording_fails_the_evaluation_unless_skipped(
    capsys: pytest.CaptureFixture[str], trained: Trained, tmp_path: Path
) -> None:
    data = _data_of(trained, tmp_path / "data", "*.wav")
    (data / "test" / "anomaly_id_03_99999999.wav").write_bytes(b"")
    assert run("evaluate", trained.int8, data, "-o", tmp_path) == 2
    assert "anomaly_id_03_99999999.wav: the file is empty" in capsys.readouterr().err
    found = evaluate(tmp_path, trained.int8, data, "--skip-bad")
    assert found.result["machines"]["id_03"]["n_anomaly"] == 8


def test_the_network_is_compared_with_none_on_the_same_recordings(evaluated: Evaluated) -> None:
    machine, baseline = evaluated.result["machines"]["id_03"], evaluated.result["no_network"]
    assert baseline["auc"] == machine["no_network_auc"]
    difference = evaluated.result["mean"]["auc"] - baseline["auc"]
    assert baseline["auc_difference"] == pytest.approx(difference)
    low, high = baseline["auc_difference_low"], baseline["auc_difference_high"]
    assert low is None or low <= baseline["auc_difference"] <= high


@pytest.mark.slow
def test_the_printed_tables_fit_a_terminal(
    capsys: pytest.CaptureFixture[str], trained: Trained, tmp_path: Path
) -> None:
    options = ["--calibration-clips", 5, "-o", tmp_path]
    assert run("evaluate", trained.int8, trained.data, *options) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 100
    for words in ("harmonic mean", "recall at 1/day", "never", "extrapolated"):
        assert any(words in line for line in lines)


def test_report_is_one_file_without_references_to_others(evaluated: Evaluated) -> None:
    page = (evaluated.folder / "report.html").read_text()
    assert "AUC" in page and "<svg" in page and "never" in page
    assert "<link" not in page and "@import" not in page
    assert page.count("src=") == page.count('src="data:') > 0


@pytest.mark.parametrize(
    "arguments", [("--head", "mse"), ("--head", "no_network", "--calibration-clips", 5)]
)
def test_a_head_without_a_threshold_of_its_own_has_no_rates(
    trained: Trained, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    found = evaluate(tmp_path, trained.int8, trained.new, *arguments)
    machine = found.result["machines"]["id_03"]
    assert found.result["head"] == arguments[1]
    assert machine["auc"] is not None
    for key in ("false_alarm_rate", "detection_rate", "recall", "f1", "recall_1_per_day"):
        assert machine[key] is None
    assert machine["false_alarms"] is None
    assert found.rows()[0]["threshold"] == ""


@pytest.mark.slow
def test_several_processes_find_what_one_finds(
    trained: Trained, evaluated: Evaluated, tmp_path: Path
) -> None:
    options = ["--calibration-clips", 5, "--jobs", 2]
    found = evaluate(tmp_path, trained.int8, trained.new, *options)
    assert found.result == evaluated.result
    assert found.rows() == evaluated.rows()


def test_an_evaluation_continues_after_an_interruption(
    trained: Trained, evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[object] = []
    score = scoring_task.score_recording

    def interrupted(*arguments: Any) -> Scores:
        if len(scored) == 5:
            raise KeyboardInterrupt
        scored.append(arguments[-1])
        return score(*arguments)

    def counted(*arguments: Any) -> Scores:
        scored.append(arguments[-1])
        return score(*arguments)

    arguments = [trained.int8, trained.new, "--calibration-clips", 5]
    monkeypatch.setattr(scoring_task, "score_recording", interrupted)
    assert run("evaluate", *arguments, "-o", tmp_path) == 130
    scored.clear()
    monkeypatch.setattr(scoring_task, "score_recording", counted)
    found = evaluate(tmp_path, *arguments)
    assert found.result == evaluated.result
    assert len(scored) == len(scan(trained.new, "test")) - 5
    assert found.rows() == evaluated.rows()
    assert not (tmp_path / "unfinished.jsonl").exists()


def test_models_calibrated_to_other_machines_are_not_compared(
    trained: Trained, tmp_path: Path
) -> None:
    machine = tmp_path / "machine.onnx"
    assert run("calibrate", "--no-known-sensitivity", trained.int8, trained.new, "-o", machine) == 0
    arguments = ["evaluate", machine, trained.new, "-o", tmp_path / "out", "--against"]
    assert run(*arguments, trained.float_) == 2
    assert run(*arguments, trained.new / "faults.csv") == 2


def test_a_model_and_a_folder_are_told_apart_in_any_order(
    capsys: pytest.CaptureFixture[str], trained: Trained
) -> None:
    assert run("evaluate", trained.int8, trained.float_) == 2
    assert run("evaluate", trained.new, trained.data) == 2
    assert capsys.readouterr().err.count("takes one MODEL and one DATA folder") == 2
    assert run("evaluate", trained.new, trained.int8, "--calibration-clips", 99) == 2
    assert "id_03 has 6 training recordings" in capsys.readouterr().err


@pytest.mark.slow
def test_a_budget_adds_the_alarms_to_each_machine_and_to_the_mean(
    trained: Trained, evaluated: Evaluated, tmp_path: Path
) -> None:
    budget = ["--calibration-clips", 5, "--false-alarms", "1/hour"]
    found = evaluate(tmp_path, trained.int8, trained.new, *budget, page=True)
    assert "alarms" not in evaluated.result["mean"]
    for metrics in (found.result["machines"]["id_03"], found.result["mean"]):
        alarms = metrics["alarms"]
        assert alarms["budget"] == "1/hour"
        assert alarms["normal_hours"] > 0 and alarms["false_alarms"] >= 0
        assert list(alarms["found_within_s"]) == ["60", "300", "900"]
        assert all(0 <= share <= 1 for share in alarms["found_within_s"].values())
        assert len(alarms["delays_s"]) == 3
    (row,) = found.rows("test_results")
    assert row["budget"] == "1/hour" and row["found_within_900_s"]
    page = (tmp_path / "report.html").read_text()
    assert "How soon a fault is reported" in page and "time since the fault began" in page


def test_a_budget_that_is_none_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], trained: Trained
) -> None:
    assert run("evaluate", trained.int8, trained.new, "--false-alarms", "often") == 2
    assert "--false-alarms 'often': give a rate such as" in capsys.readouterr().err


def test_an_artifact_of_another_machine_is_reported(
    capsys: pytest.CaptureFixture[str], trained: Trained, tmp_path: Path
) -> None:
    machine = tmp_path / "machine.onnx"
    clips = audio_files(trained.new / "train")
    detector = Detector.load(trained.int8)
    calibrate_files(detector, clips, machine="id_02", report=print).artifact.write(machine)
    assert run("evaluate", machine, trained.new, "-o", tmp_path / "out") == 0
    assert "is calibrated to id_02, but the test holds id_03:" in capsys.readouterr().err
