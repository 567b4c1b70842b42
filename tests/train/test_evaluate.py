"""Evaluation: AUCs by scikit-learn, tables, the network without an export."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from edgeae.runtime.cli import run_command

KEYS = {"model", "head", "machines", "mean", "worst", "no_network"}


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
    assert {"auc", "pauc", "n_normal", "n_anomaly", "false_alarm_rate"} <= calibrated["machines"]["id_03"].keys()
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


def test_calibrate_then_evaluate_equals_evaluate_with_calibration_clips(capsys, trained, calibrated, tmp_path):
    machine = tmp_path / "machine.onnx"
    arguments = ["calibrate", trained.int8, trained.new, "--clips", 5, "-o", machine]
    assert run_command(list(map(str, arguments))) == 0
    capsys.readouterr()
    assert _evaluate(capsys, machine, trained.new)["machines"] == calibrated["machines"]


@pytest.mark.parametrize("model", ["run", "checkpoint"])
def test_trained_network_scores_as_its_float_artifact(capsys, trained, tmp_path, model):
    from edgeae.train.training import best_checkpoint

    path = trained.run if model == "run" else best_checkpoint(trained.run)
    torch_ = _evaluate(capsys, path, trained.new, "--calibration-clips", 5, "-o", tmp_path / "torch")
    onnx_ = _evaluate(capsys, trained.float_, trained.new, "--calibration-clips", 5, "-o", tmp_path / "onnx")
    scores = [np.array([float(row["score"]) for row in _rows(tmp_path / name)]) for name in ("torch", "onnx")]
    assert np.abs(scores[0] - scores[1]).max() < 1e-3
    assert torch_["mean"]["auc"] == pytest.approx(onnx_["mean"]["auc"], abs=0.03)


def test_mse_head_is_the_mean_squared_residual(capsys, trained, tmp_path):
    from edgeae.runtime import Detector

    _evaluate(capsys, trained.float_, trained.new, "--head", "mse", "--calibration-clips", 5, "-o", tmp_path)
    row = _rows(tmp_path)[0]
    window = next(iter(Detector.load(trained.float_).read(trained.new / "test" / row["file"])))
    assert float(row["score"]) == pytest.approx(window.coordinates[0])


def test_machine_without_anomalies_has_no_auc(capsys, trained, tmp_path):
    data = tmp_path / "data"
    (data / "test").mkdir(parents=True)
    (data / "train").symlink_to(trained.new / "train")
    for path in (trained.new / "test").glob("normal*"):
        (data / "test" / path.name).symlink_to(path)
    found = _evaluate(capsys, trained.int8, data, "--calibration-clips", 5, "-o", tmp_path)
    assert found["machines"]["id_03"]["auc"] is None
    assert found["worst"] == {"machine": None, "auc": None}


def test_too_few_calibration_clips_are_named(capsys, trained):
    assert run_command(["evaluate", str(trained.int8), str(trained.new), "--calibration-clips", "99"]) == 2
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


def test_report_is_one_file_without_references_to_others(calibrated, tmp_path):
    page = (tmp_path / "report.html").read_text()
    assert "AUC" in page and "<svg" in page
    assert "src=" not in page and "<link" not in page and "@import" not in page


@pytest.mark.parametrize("arguments", [("--head", "mse"), ("--head", "no_network", "--calibration-clips", 5)])
def test_a_head_without_a_threshold_of_its_own_has_no_rates(capsys, trained, tmp_path, arguments):
    found = _evaluate(capsys, trained.int8, trained.new, *arguments, "-o", tmp_path)["machines"]["id_03"]
    assert found["auc"] is not None
    assert found["false_alarm_rate"] is found["detection_rate"] is None
    assert _rows(tmp_path)[0]["threshold"] == ""


def test_the_channel_of_training_is_read_again(trained):
    from edgeae.runtime import Detector

    detector = Detector.load(trained.int8)
    config = {"data": {"channel": "mix"}}
    assert detector.channel == 0
    assert detector.with_sections(provenance={"config": config}).channel == "mix"
