"""One small fleet, one short training and its artifacts serve all tests."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import settings
from long_files import LongFilesFirst, longest_first

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from edgeae.evaluate.results.recording_scores import MachineTest
    from edgeae.runtime.scoring.fleet import Fleet
    from edgeae.runtime.scoring.threshold import Reference
    from edgeae.runtime.system.arrays import Float64


# Tests do not assert times: an example may take long on a busy computer.
settings.register_profile("edgeae", deadline=None)
settings.load_profile("edgeae")


@pytest.hookimpl(tryfirst=True)  # before a plugin that makes the order random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests for the processes that share them."""
    items[:] = longest_first(items)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LongFilesFirst | None:
    """How processes share the tests; None: as pytest-xdist does it, without --dist loadfile."""
    if config.getvalue("dist") != "loadfile":
        return None
    return LongFilesFirst(config, log)


ROOT = Path(__file__).parents[1]
Maker = Callable[..., Path]


@dataclass(frozen=True)
class Trained:
    """What the workstation made."""

    data: Path  # machines id_00, id_01, id_02 to train on, each with a test
    new: Path  # machine id_03: a few normal recordings in train/, and a test
    run: Path
    float_: Path
    int8: Path


# What the trained artifacts depend on. Nothing else in the project changes them.
TRAINING_SOURCES = (
    "configs",
    "train",
    "quantize",
    "runtime/system",
    "runtime/audio",
    "runtime/features",
    "runtime/model",
    "runtime/scoring",
    "runtime/monitoring",
)
TRAINING_PACKAGES = ("torch", "torchaudio", "lightning", "numpy", "onnxruntime", "onnx", "soxr")


def training_key() -> str:
    """SHA-256 of the sources and versions that the trained artifacts depend on."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for folder in TRAINING_SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    for package in TRAINING_PACKAGES:
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def trained(pytestconfig: pytest.Config) -> Trained:
    """A fleet of synthetic machines, the ``tiny`` preset trained on it, and both artifacts.

    Made once for each state of the sources, in pytest's cache, and shared by all test processes.
    Tests only read it.
    """
    assert pytestconfig.cache is not None
    root = Path(pytestconfig.cache.mkdir("trained")) / training_key()
    finished = root / "finished"
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be making it
        if not finished.exists():
            shutil.rmtree(root, ignore_errors=True)
            make_trained(root)
            finished.touch()
    run = root / "run"
    return Trained(root / "data", root / "new", run, run / "model.onnx", run / "model.int8.onnx")


def make_trained(root: Path) -> None:
    """Synthesise the machines, train on them and export both artifacts."""
    from edgeae.quantize.export import export
    from edgeae.train.config import load_config
    from edgeae.train.synth.dataset import write_dataset
    from edgeae.train.training import train

    data = write_dataset(
        root / "data",
        machines=[0, 1, 2],
        train_clips=16,
        test_normals=6,
        test_anomalies=8,
        seconds=4.0,
        seed=1,
    )
    write_dataset(
        root / "new",
        machines=[3],
        train_clips=6,
        test_normals=6,
        test_anomalies=8,
        seconds=4.0,
        seed=1,
    )
    run = train(data, load_config("tiny"), root / "run")
    export(run, int8=True, report=print).write(run, None)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real browser without a window; tests compare its text, its boxes and its pictures."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (scripts/install-system-packages --tests)")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=arguments)
        yield found
        found.close()


@pytest.fixture
def make_data(tmp_path: Path) -> Maker:
    """``make_data(recordings, seconds, machine)`` adds normal WAV files; returns the data set."""

    def make(recordings: int = 6, seconds: float = 3.0, machine: str = "id_01") -> Path:
        folder = tmp_path / "data" / "train"
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([ord(letter) for letter in machine])
        for i in range(recordings):
            noise = np.cumsum(rng.standard_normal(int(16000 * seconds)) * 0.01) * 0.1
            soundfile.write(
                folder / f"normal_{machine}_{i:04d}.wav", noise - noise.mean(), 16000, "FLOAT"
            )
        return folder.parent

    return make


@pytest.fixture(scope="session")
def tested(trained: Trained) -> "dict[str, MachineTest]":
    """The test of the new machine, calibrated on five clips; nothing is played as a stream."""
    from edgeae.evaluate.results.scores import EvaluationOptions, evaluate_machines
    from edgeae.runtime import Detector

    options = EvaluationOptions(calibration_clips=5, simulate_streams=False)
    return evaluate_machines(Detector.load(trained.int8), trained.new, options, print)


@pytest.fixture(scope="session")
def simulated_training() -> "list[Float64]":
    """Eight machines with 48 windows each, as features (n_windows, n_features)."""
    from simulated_machines import correlated_machines

    return correlated_machines(8, 48, seed=1)


@pytest.fixture(scope="session")
def simulated_fleet(simulated_training: "list[Float64]") -> "Fleet":
    """The statistics of these machines."""
    from simulated_machines import NO_GAIN

    from edgeae.runtime.scoring.fleet import Fleet

    return Fleet.fit(simulated_training, NO_GAIN)


@pytest.fixture(scope="session")
def simulated_references(simulated_training: "list[Float64]") -> "list[Reference]":
    """The references of simulated calibrations of these machines."""
    from simulated_machines import NO_GAIN

    from edgeae.quantize.fit_fleet import fit_references

    return fit_references(simulated_training, NO_GAIN, "gaussian")
