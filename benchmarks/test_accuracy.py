"""What int8 costs in AUC: on the synthetic machines always, on EDGEAE_DATA where it is set."""

import os
from pathlib import Path

import pytest
from figures import Models, Record, Row

from edgeae.evaluate.results.evaluation_result import EvaluationResult
from edgeae.evaluate.results.scores import EvaluationOptions, evaluate_machines
from edgeae.evaluate.results.summary import summarise
from edgeae.runtime import Detector

SHORT = ["training.epochs=6", "data.patch_step=32"]


def _evaluate(model: Path, data: Path, clips: int) -> EvaluationResult:
    detector = Detector.load(model)
    options = EvaluationOptions(calibration_clips=clips, simulate_streams=False)
    tests = evaluate_machines(detector, data, options, print)
    return summarise(str(model), detector.head.kind, tests)


def _lost(float_: Path, int8: Path, data: Path, record: Record, name: str, most: float) -> Row:
    """The row of the AUC lost to int8."""
    of_float = _evaluate(float_, data, 5).mean
    of_int8 = _evaluate(int8, data, 5).mean
    for key, float_value, value, baseline in (
        ("auc", of_float.auc.value, of_int8.auc.value, of_int8.no_network_auc),
        ("pauc", of_float.pauc.value, of_int8.pauc.value, of_int8.no_network_pauc),
    ):
        record(f"{name}, int8: {key}", value, "", "float", float_value)
        record(f"{name}, int8: {key}", value, "", "no network", baseline)
    assert of_float.auc.value is not None
    assert of_int8.auc.value is not None
    lost = of_float.auc.value - of_int8.auc.value
    return record(f"{name}, int8: auc lost", lost, "", target=most)


def test_int8_keeps_the_auc_on_the_synthetic_machines(models: Models, record: Record) -> None:
    _lost(models["float"], models["int8"], models["data"], record, "synthetic", 0.02)


@pytest.mark.skipif(
    "EDGEAE_DATA" not in os.environ, reason="EDGEAE_DATA names no folder of real recordings"
)
def test_int8_keeps_the_auc_on_real_machines(record: Record, tmp_path: Path) -> None:
    from edgeae.quantize.export import export
    from edgeae.train.config import load_config
    from edgeae.train.training import train

    data = Path(os.environ["EDGEAE_DATA"], "toycar")
    run = train(data, load_config("edge", SHORT), tmp_path / "run")
    export(run, int8=True, report=print).write(run, None)
    _lost(run / "model.onnx", run / "model.int8.onnx", data, record, "toycar", 0.001)
