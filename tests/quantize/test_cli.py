"""The command `export`: what it prints, what it records, and what it refuses."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeae.quantize.cli import DEFAULT_MAX_DRIFT
from edgeae.quantize.export import Export
from edgeae.runtime import Artifact
from edgeae.runtime.commands.cli import run_command
from tests.conftest import Trained


@pytest.fixture
def export_once(exported: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exports nothing again: it gets what the fixture made."""
    monkeypatch.setattr("edgeae.quantize.export.export", lambda run, **options: exported)


@pytest.mark.usefixtures("export_once")
@pytest.mark.parametrize("with_output", [True, False])
def test_an_int8_network_that_drifts_too_far_is_not_written(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], with_output: bool
) -> None:
    target = tmp_path / "model.onnx"
    output = ["-o", str(target)] if with_output else []
    before = {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    command = ["export", str(trained.run), "--int8", "--max-drift", "1e-6", *output]
    assert run_command(command) == 3
    assert not target.exists()
    assert before == {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    printed = capsys.readouterr()
    assert printed.out == ""
    message = printed.err.splitlines()[-1]
    assert re.search(r"scores by 0\.0\d\d .*% by (input|body\.\d+)\), allowed is 1e-06", message)
    assert "--max-drift" in message


def _with_ranges(model: bytes, factor: float) -> bytes:
    """An int8 network whose activations have ranges ``factor`` times as wide as they should be."""
    network = onnx.load_from_string(model)
    scales = {node.input[1] for node in network.graph.node if node.op_type == "QuantizeLinear"}
    for value in network.graph.initializer:
        if value.name in scales:
            scale = onnx.numpy_helper.to_array(value) * np.float32(factor)
            value.CopyFrom(onnx.numpy_helper.from_array(scale, value.name))
    content: bytes = network.SerializeToString()
    return content


@pytest.mark.parametrize("factor", [0.2, 10.0])
def test_a_network_with_wrong_ranges_is_refused_without_any_option(
    exported: Export,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
) -> None:
    """Too narrow: activations are clipped. Too wide: they are rounded to a few steps."""
    assert exported.int8 is not None
    damaged = replace(exported.int8, model=_with_ranges(exported.int8.model, factor))
    bad = replace(exported, int8=damaged)
    monkeypatch.setattr("edgeae.quantize.export.export", lambda run, **options: bad)
    target = tmp_path / "model.onnx"
    assert run_command(["export", "RUN", "--int8", "-o", str(target)]) == 3
    assert not target.exists()
    message = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"residual of the int8 network is -\d+\.\d dB above its error", message)


@pytest.mark.usefixtures("export_once")
def test_the_drift_is_recorded_in_the_artifact(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.onnx"
    assert run_command(["export", str(trained.run), "--int8", "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    quantization = Artifact.read(target).sections["quantization"]
    assert 0 < quantization["drift"] < quantization["max_drift"] == DEFAULT_MAX_DRIFT


@pytest.mark.slow
def test_export_prints_the_layers_and_writes_a_network_that_drifts_little(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.onnx"
    assert run_command(["export", str(trained.run), "--int8", "-o", str(target)]) == 0
    assert "share of drift  on 18 normal test clips" in capsys.readouterr().err
    assert target.exists()


@pytest.mark.parametrize("option", [["--reduce-range"], ["--max-drift", "0.2"]])
def test_options_of_int8_need_int8(
    trained: Trained, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert run_command(["export", str(trained.run), *option]) == 2
    assert "need --int8" in capsys.readouterr().err
