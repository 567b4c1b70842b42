"""The whole path on real machines, where EDGEAE_DATA names a folder of their recordings."""

import json
import os
from pathlib import Path

import pytest

from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec

DATA = os.environ.get("EDGEAE_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="EDGEAE_DATA names no folder of real recordings")


@pytest.mark.parametrize(
    ("name", "machines"),
    [
        ("toycar", {"id_01": 364, "id_02": 365}),
        ("bldc_motor", {"id_01": 8, "id_02": 10, "id_03": 2}),
        ("drone_motor", {"id_01": 67}),
        ("mimii_fan", {"id_00": 16}),
    ],
)
def test_every_test_recording_is_found_and_read(name: str, machines: dict[str, int]) -> None:
    groups = by_machine(scan(Path(DATA, name), "test"))
    assert {machine: len(recordings) for machine, recordings in groups.items()} == machines
    first = next(iter(groups.values()))[0]
    assert read_log_mel(first.path, MelSpec()).shape[1] == 128


@pytest.mark.slow
def test_little_training_already_detects_faults_of_real_machines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = Path(DATA, "toycar")
    run = tmp_path / "run"
    few = ["--set", "training.epochs=2", "--set", "data.patch_step=32"]
    assert run_command(["train", str(data), "-o", str(run), *few]) == 0
    assert run_command(["export", str(run), "--int8"]) == 0
    capsys.readouterr()
    model = run / "model.int8.onnx"
    options = ["--calibration-clips", "5", "--json"]
    assert run_command(["evaluate", str(model), str(data), *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["mean"]["auc"] > 0.95
    assert result["no_network"]["auc"] > 0.95
