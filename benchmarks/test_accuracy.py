"""What int8 costs in AUC: on the synthetic machines always, on EDGEAE_DATA where it is set."""

import os
from pathlib import Path

import pytest

from edgeae.evaluate.results.scores import evaluate_all
from edgeae.evaluate.results.summary import as_json
from edgeae.runtime import Detector


def _summary(model: Path, data: Path, clips: int):
    scores, head = evaluate_all(
        Detector.load(model),
        data,
        calibration_clips=clips,
        kind=None,
        channel=0,
        skip_bad=False,
        report=print,
    )
    return as_json(str(model), head, scores)


def _lost(float_: Path, int8: Path, data: Path, record, name: str, most: float):
    """The row of the AUC lost to int8."""
    summaries = {
        form: _summary(model, data, 5) for form, model in (("float", float_), ("int8", int8))
    }
    for key in ("auc", "pauc"):
        found = {form: summary["mean"][key] for form, summary in summaries.items()}
        found["no network"] = summaries["int8"]["no_network"][key]
        for peer in ("float", "no network"):
            record(f"{name}, int8: {key}", found["int8"], "", peer, found[peer])
    lost = summaries["float"]["mean"]["auc"] - summaries["int8"]["mean"]["auc"]
    return record(f"{name}, int8: auc lost", lost, "", target=most)


def test_int8_keeps_the_auc_on_the_synthetic_machines(models, record):
    assert _lost(models["float"], models["int8"], models["data"], record, "synthetic", 0.02).met


@pytest.mark.skipif(
    "EDGEAE_DATA" not in os.environ, reason="EDGEAE_DATA names no folder of real recordings"
)
def test_int8_keeps_the_auc_on_real_machines(record, tmp_path):
    from edgeae.quantize.export import export
    from edgeae.train.config import load_config
    from edgeae.train.run import train

    data = Path(os.environ["EDGEAE_DATA"], "toycar")
    run = train(data, load_config("edge", ["training.epochs=8"]), tmp_path / "run")
    export(run, int8=True, report=print).write(run, None)
    assert _lost(run / "model.onnx", run / "model.int8.onnx", data, record, "toycar", 0.001).met
