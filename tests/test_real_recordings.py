"""The whole path on real machines, where EDGEAE_DATA names a folder of their recordings."""

import json
import os
from pathlib import Path

import pytest

from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec

DATA = os.environ.get("EDGEAE_DATA")
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
def test_every_test_recording_is_found_and_read(name, machines):
    found = by_machine(scan(Path(DATA, name), "test"))
    assert {machine: len(recordings) for machine, recordings in found.items()} == machines
    first = next(iter(found.values()))[0]
    assert read_log_mel(first.path, MelSpec()).shape[1] == 128


def test_little_training_already_finds_faults_of_real_machines(capsys, tmp_path):
    data, run = Path(DATA, "toycar"), tmp_path / "run"
    train = ["train", data, "-o", run, "--set", "training.epochs=2", "--set", "data.patch_step=32"]
    for arguments in (train, ["export", run, "--int8"]):
        assert run_command(list(map(str, arguments))) == 0
    capsys.readouterr()
    model = run / "model.int8.onnx"
    assert (
        run_command(["evaluate", str(model), str(data), "--calibration-clips", "5", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["mean"]["auc"] > 0.95
    assert found["no_network"]["auc"] > 0.95
