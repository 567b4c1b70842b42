"""The whole path on real machines, where EDGEAE_DATA names a folder of their recordings."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate
from edgeae.runtime.audio.recordings import by_machine, scan
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.monitoring.health import Health
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.spread import evenly_spread
from tests.conftest import Trained
from tests.runtime.conftest import read_samples

RATE = 16000

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


@dataclass(frozen=True)
class CalibratedMachine:
    """A real machine, and the sound that it is calibrated on."""

    detector: Detector
    sound: Float32  # (n,) at RATE, full scale 1


@pytest.fixture(
    scope="module",
    params=[
        ("bldc_motor", "normal_id_01_00001750.wav"),
        ("bldc_motor", "normal_id_02_00001400.wav"),
        ("mimii_fan", "normal_id_00_0000000*.wav"),
    ],
    ids="/".join,
)
def real_machine(request: pytest.FixtureRequest, trained: Trained) -> CalibratedMachine:
    name, files = request.param
    paths = sorted(Path(DATA, name, "train").glob(files))
    sound = np.concatenate([read_samples(path, RATE) for path in paths])
    detector = calibrate(Detector.load(trained.int8), [sound], force=True, report=print)
    return CalibratedMachine(detector, sound)


@pytest.mark.parametrize("level_db", [-65.0, -75.0, -85.0])
def test_no_window_of_a_dead_microphone_is_judged(
    real_machine: CalibratedMachine, level_db: float
) -> None:
    """The converter of a real motor's microphone goes on after its plug was pulled."""
    machine = real_machine.detector
    sound = real_machine.sound
    noise = np.random.default_rng(0).standard_normal(40 * RATE) * 10 ** (level_db / 20)
    dead = np.asarray(np.rint(noise * 2**15) / 2**15, np.float32)
    health = Health(machine)
    seconds = len(sound) / RATE
    states = {"before": set[str](), "after": set[str]()}
    for window in machine.windows([sound, dead], RATE):
        state = health.update(window).state
        if window.end <= seconds:
            states["before"].add(state)
        if window.end >= seconds + 15:
            states["after"].add(state)
    assert states["after"] == {"off"}
    assert "off" not in states["before"]


@pytest.fixture
def part_of_toycar(tmp_path: Path) -> Path:
    """Links to all training recordings, and to a third of the test."""
    data = tmp_path / "toycar"
    for part, label, count in (
        ("train", "normal", 250),
        ("test", "normal", 50),
        ("test", "anomaly", 75),
    ):
        (data / part).mkdir(parents=True, exist_ok=True)
        for machine in ("id_01", "id_02"):
            paths = sorted(Path(DATA, "toycar", part).glob(f"{label}_{machine}_*"))
            for path in evenly_spread(paths, count):
                (data / part / path.name).symlink_to(path)
    return data


@pytest.mark.slow
def test_little_training_already_detects_faults_of_real_machines(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    part_of_toycar: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("edgeae.evaluate.report.evaluation.write_report", lambda *_: None)
    data = part_of_toycar
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
