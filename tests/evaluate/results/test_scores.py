"""Evaluation: AUCs by scikit-learn, tables, the network without an export."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.commands.cli import run_command

KEYS = {"model", "head", "machines", "mean", "harmonic_mean", "worst", "no_network", "all"}


def _rows(folder, name="anomaly_scores"):
    return list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines()))


def _evaluate(capsys, *arguments):
    code = run_command(["evaluate", *map(str, arguments), "--json"])
    out = capsys.readouterr()
    assert code == 0, out.err
    return json.loads(out.out)


@pytest.fixture
def calibrated(capsys, trained, tmp_path):
    return _evaluate(capsys, trained.int8, trained.new, "--calibration-clips", 5, "-o", tmp_path)


def test_json_has_the_keys_of_the_contract(calibrated):
    assert calibrated.keys() == KEYS
    assert {"auc", "pauc", "n_normal", "n_anomaly", "false_alarm_rate"} <= calibrated["machines"][
        "id_03"
    ].keys()
    assert calibrated["machines"]["id_03"]["n_anomaly"] == 8
    assert calibrated["head"] == "gaussian"


def test_auc_is_that_of_the_scores_in_the_table(calibrated, tmp_path):
    rows = _rows(tmp_path)
    truth = [row["label"] == "anomaly" for row in rows]
    scores = [float(row["score"]) for row in rows]
    assert calibrated["mean"]["auc"] == pytest.approx(roc_auc_score(truth, scores))
    assert calibrated["mean"]["pauc"] == pytest.approx(roc_auc_score(truth, scores, max_fpr=0.1))
    assert [row["machine"] for row in _rows(tmp_path, "test_results")] == ["id_03"]


def test_calibration_on_a_new_machine_separates_its_faults(calibrated):
    assert calibrated["mean"]["auc"] > 0.75
    assert calibrated["no_network"]["auc"] > 0.75


def test_own_head_is_used_without_calibration_clips(capsys, trained, tmp_path):
    from edgeae.runtime import Detector

    _evaluate(capsys, trained.int8, trained.new, "-o", tmp_path)
    detector = Detector.load(trained.int8)
    row = _rows(tmp_path)[0]
    windows = list(detector.read(trained.new / "test" / row["file"]))
    assert float(row["score"]) == pytest.approx(detector.mean_score(windows))
    assert float(row["threshold"]) == detector.threshold.value


def test_calibrate_then_evaluate_equals_evaluate_with_calibration_clips(
    capsys, trained, calibrated, tmp_path
):
    machine = tmp_path / "machine.onnx"
    arguments = ["calibrate", trained.int8, trained.new, "--clips", 5, "-o", machine]
    assert run_command(list(map(str, arguments))) == 0
    capsys.readouterr()
    assert _evaluate(capsys, machine, trained.new)["machines"] == calibrated["machines"]


@pytest.mark.parametrize("model", ["run", "checkpoint"])
def test_trained_network_scores_as_its_float_artifact(capsys, trained, tmp_path, model):
    from edgeae.train.run_folder import best_checkpoint

    path = trained.run if model == "run" else best_checkpoint(trained.run)
    torch_ = _evaluate(
        capsys, path, trained.new, "--calibration-clips", 5, "-o", tmp_path / "torch"
    )
    onnx_ = _evaluate(
        capsys, trained.float_, trained.new, "--calibration-clips", 5, "-o", tmp_path / "onnx"
    )
    scores = [
        np.array([float(row["score"]) for row in _rows(tmp_path / name)])
        for name in ("torch", "onnx")
    ]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3
    assert torch_["mean"]["auc"] == pytest.approx(onnx_["mean"]["auc"], abs=0.03)


def test_mse_head_is_the_mean_squared_residual(capsys, trained, tmp_path):
    from edgeae.runtime import Detector

    _evaluate(
        capsys,
        trained.float_,
        trained.new,
        "--head",
        "mse",
        "--calibration-clips",
        5,
        "-o",
        tmp_path,
    )
    row = _rows(tmp_path)[0]
    window = next(iter(Detector.load(trained.float_).read(trained.new / "test" / row["file"])))
    assert float(row["score"]) == pytest.approx(window.features[0])


def test_machine_without_anomalies_has_no_auc(capsys, trained, tmp_path):
    data = tmp_path / "data"
    (data / "test").mkdir(parents=True)
    (data / "train").symlink_to(trained.new / "train")
    for path in (trained.new / "test").glob("normal*"):
        (data / "test" / path.name).symlink_to(path)
    found = _evaluate(capsys, trained.int8, data, "--calibration-clips", 5, "-o", tmp_path)
    assert found["machines"]["id_03"]["auc"] is None
    assert found["worst"] == {"machine": None, "auc": None}
    assert found["harmonic_mean"] == {"auc": None, "pauc": None}
    machine = found["machines"]["id_03"]
    assert machine["splices"] == 0 and machine["false_alarms"] is not None
    for key in (
        "auc_low",
        "auc_difference",
        "precision",
        "recall",
        "f1",
        "recall_1_per_day",
        "never_detected",
    ):
        assert machine[key] is None


def test_too_few_calibration_clips_are_named(capsys, trained):
    assert (
        run_command(["evaluate", str(trained.int8), str(trained.new), "--calibration-clips", "99"])
        == 2
    )
    assert "id_03 has 6 training recordings" in capsys.readouterr().err


def test_bad_recording_fails_the_evaluation_unless_skipped(capsys, trained, tmp_path):
    data = tmp_path / "data"
    (data / "test").mkdir(parents=True)
    for path in (trained.new / "test").glob("*.wav"):
        (data / "test" / path.name).symlink_to(path)
    (data / "test" / "anomaly_id_03_99999999.wav").write_bytes(b"")
    assert run_command(["evaluate", str(trained.int8), str(data), "-o", str(tmp_path)]) == 2
    assert "anomaly_id_03_99999999.wav: the file is empty" in capsys.readouterr().err
    found = _evaluate(capsys, trained.int8, data, "--skip-bad", "-o", tmp_path)
    assert found["machines"]["id_03"]["n_anomaly"] == 8


def test_rates_are_those_of_scikit_learn(calibrated, tmp_path):
    rows, machine = _rows(tmp_path), calibrated["machines"]["id_03"]
    truth, flags = (
        [row["label"] == "anomaly" for row in rows],
        [row["anomaly"] == "True" for row in rows],
    )
    assert any(flags)
    assert machine["precision"] == precision_score(truth, flags)
    assert machine["recall"] == machine["detection_rate"] == recall_score(truth, flags)
    assert machine["f1"] == f1_score(truth, flags)
    assert {
        key: calibrated["all"][key] for key in machine.keys() & calibrated["all"].keys()
    }.items() <= machine.items()


def test_recall_at_one_false_alarm_a_day_is_that_of_a_calibration_for_it(
    capsys, trained, calibrated, tmp_path
):
    machine = tmp_path / "machine.onnx"
    arguments = [
        "calibrate",
        trained.int8,
        trained.new,
        "--clips",
        5,
        "--false-alarms",
        "20%",
        "-o",
        machine,
    ]
    assert run_command(list(map(str, arguments))) == 0
    capsys.readouterr()
    found, asked = (
        _evaluate(capsys, machine, trained.new)["machines"]["id_03"],
        calibrated["machines"]["id_03"],
    )
    assert (
        found["recall"] >= found["recall_1_per_day"] == asked["recall_1_per_day"] == asked["recall"]
    )


@pytest.mark.parametrize("clips", [0, 2, 5])
def test_the_threshold_for_another_budget_is_that_of_a_new_calibration(trained, clips):
    from edgeae.evaluate.results.scores import calibration_windows
    from edgeae.runtime import Detector
    from edgeae.runtime.scoring.calibration import calibrated, threshold_for

    detector = Detector.load(trained.int8)
    train = by_machine(scan(trained.new, "train"))["id_03"]
    if not clips:
        same = threshold_for(detector, detector.threshold.false_alarms)
        assert same.value == pytest.approx(detector.threshold.value, abs=2e-6)
        return
    windows = calibration_windows(detector, train, clips, 0, print, skip_bad=False)
    week, day = (
        calibrated(detector, windows, false_alarms=budget) for budget in ("1/week", "1/day")
    )
    assert threshold_for(week, "1/day").value == pytest.approx(day.threshold.value, abs=1e-5)
    assert week.threshold.value > day.threshold.value


def test_the_network_is_compared_with_none_on_the_same_recordings(calibrated):
    machine, bare = calibrated["machines"]["id_03"], calibrated["no_network"]
    assert bare["auc"] == machine["no_network_auc"]
    assert bare["auc_difference"] == pytest.approx(calibrated["mean"]["auc"] - bare["auc"])
    low, high = bare["auc_difference_low"], bare["auc_difference_high"]
    assert low is None or low <= bare["auc_difference"] <= high


def test_the_printed_tables_fit_a_terminal(capsys, trained, tmp_path):
    arguments = ["evaluate", trained.int8, trained.data, "--calibration-clips", 5, "-o", tmp_path]
    assert run_command(list(map(str, arguments))) == 0
    shown = [line for line in capsys.readouterr().err.splitlines() if str(tmp_path) not in line]
    assert max(map(len, shown)) <= 100
    assert all(
        any(word in line for line in shown)
        for word in ("harmonic mean", "recall at 1/day", "never", "extrapolated")
    )


def test_report_is_one_file_without_references_to_others(calibrated, tmp_path):
    page = (tmp_path / "report.html").read_text()
    assert "AUC" in page and "<svg" in page and "never" in page
    assert "<link" not in page and "@import" not in page
    assert page.count("src=") == page.count('src="data:') > 0


@pytest.mark.parametrize(
    "arguments", [("--head", "mse"), ("--head", "no_network", "--calibration-clips", 5)]
)
def test_a_head_without_a_threshold_of_its_own_has_no_rates(capsys, trained, tmp_path, arguments):
    found = _evaluate(capsys, trained.int8, trained.new, *arguments, "-o", tmp_path)["machines"][
        "id_03"
    ]
    assert found["auc"] is not None
    assert found["false_alarm_rate"] is found["detection_rate"] is None
    assert (
        found["recall"] is found["f1"] is found["recall_1_per_day"] is found["false_alarms"] is None
    )
    assert _rows(tmp_path)[0]["threshold"] == ""


def test_the_channel_of_training_is_read_again(trained):
    from edgeae.runtime import Detector

    detector = Detector.load(trained.int8)
    config = {"data": {"channel": "mix"}}
    assert detector.channel == 0
    assert detector.with_sections(provenance={"config": config}).channel == "mix"


def test_several_processes_find_what_one_finds(capsys, trained, calibrated, tmp_path):
    found = _evaluate(
        capsys,
        trained.int8,
        trained.new,
        "--calibration-clips",
        5,
        "-o",
        tmp_path / "two",
        "--jobs",
        2,
    )
    assert found == calibrated
    assert _rows(tmp_path / "two") == _rows(tmp_path)


def test_an_evaluation_goes_on_after_an_interruption(
    capsys, trained, calibrated, tmp_path, monkeypatch
):
    from edgeae.evaluate.results import scoring_task as module

    scored, score = [], module._score

    def interrupted(*arguments):
        if len(scored) == 5:
            raise KeyboardInterrupt
        scored.append(arguments[-1])
        return score(*arguments)

    monkeypatch.setattr(module, "_score", interrupted)
    arguments = [trained.int8, trained.new, "--calibration-clips", 5, "-o", tmp_path / "again"]
    assert run_command(["evaluate", *map(str, arguments)]) == 130
    scored.clear()
    monkeypatch.setattr(
        module, "_score", lambda *arguments: (scored.append(arguments[-1]), score(*arguments))[1]
    )
    assert _evaluate(capsys, *arguments) == calibrated
    assert len(scored) == len(scan(trained.new, "test")) - 5
    assert _rows(tmp_path / "again") == _rows(tmp_path)
    assert not (tmp_path / "again" / "unfinished.jsonl").exists()


def test_what_was_found_with_other_options_or_files_is_not_reused(capsys, trained, tmp_path):
    from edgeae.evaluate.results.result_cache import ResultCache
    from edgeae.evaluate.results.scores import EvaluationOptions, evaluate_machines
    from edgeae.runtime import Detector

    detector = Detector.load(trained.int8)
    cache = ResultCache(None)
    on_three, on_four = (EvaluationOptions(calibration_clips=clips) for clips in (3, 4))
    evaluate_machines(detector, trained.new, on_three, print, cache)
    n_results = len(cache)
    evaluate_machines(detector, trained.new, on_three, print, cache)
    assert len(cache) == n_results == len(scan(trained.new, "test")) + 1  # and the stream
    evaluate_machines(detector, trained.new, on_four, print, cache)
    assert len(cache) == 2 * n_results


def test_models_calibrated_to_other_machines_are_not_compared(trained, tmp_path):
    machine = tmp_path / "machine.onnx"
    assert run_command(["calibrate", str(trained.int8), str(trained.new), "-o", str(machine)]) == 0
    arguments = [
        "evaluate",
        str(machine),
        str(trained.new),
        "-o",
        str(tmp_path / "out"),
        "--against",
    ]
    assert run_command([*arguments, str(trained.float_)]) == 2
    assert run_command([*arguments, str(trained.new / "faults.csv")]) == 2
