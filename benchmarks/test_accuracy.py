"""What int8 costs in AUC: on the synthetic machines always, on EDGEAE_DATA where it is set."""

import os
from pathlib import Path

import pytest

from edgeae.runtime import Detector
from edgeae.train.evaluate import evaluate_all
from edgeae.train.summary import as_json


def _summary(model: Path, data: Path, clips: int):
    scores, head = evaluate_all(
        Detector.load(model), data, calibration_clips=clips, kind=None, channel=0, skip_bad=False, report=print
    )
    return as_json(str(model), head, scores)


def _compare(float_: Path, int8: Path, data: Path, record, name: str) -> float:
    summaries = [_summary(model, data, 5) for model in (float_, int8)]
    aucs = [summary["mean"]["auc"] for summary in summaries]
    paucs = [summary["mean"]["pauc"] for summary in summaries]
    record(f"{name}: AUC float / int8", f"{aucs[0]:.4f} / {aucs[1]:.4f}, pAUC {paucs[0]:.4f} / {paucs[1]:.4f}")
    record(f"{name}: no network", f"{summaries[1]['no_network']['auc']:.4f}")
    return aucs[0] - aucs[1]


def test_int8_keeps_the_auc_on_the_synthetic_machines(models, record):
    assert _compare(models["float"], models["int8"], models["data"], record, "synthetic") < 0.02


@pytest.mark.skipif("EDGEAE_DATA" not in os.environ, reason="EDGEAE_DATA names no folder of real recordings")
def test_int8_keeps_the_auc_on_real_machines(record, tmp_path):
    from edgeae.quantize.export import export
    from edgeae.train.config import load_config
    from edgeae.train.training import train

    data = Path(os.environ["EDGEAE_DATA"], "toycar")
    run = train(data, load_config("edge", ["training.epochs=8"]), tmp_path / "run")
    export(run, int8=True, report=print).write(run, None)
    assert _compare(run / "model.onnx", run / "model.int8.onnx", data, record, "toycar") < 0.001
