"""A small data set in which nothing is to be fixed, and the properties of recordings."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgeae.evaluate.dataset.recording_stats import RecordingStats
from edgeae.train.synth.dataset import write_dataset

GOOD = RecordingStats(
    file="good.wav",
    split="train",
    machine="id_00",
    label="normal",
    samplerate=16000,
    channels=1,
    seconds=10.0,
    frames=311,
    level_dbfs=-30.0,
    clipped_share=0.0,
    silent_share=0.0,
    stuck_share=0.0,
    bandwidth_hz=None,
    sha256="",
    fingerprint=None,
)

MakeStats = Callable[..., RecordingStats]


@pytest.fixture
def make_stats() -> MakeStats:
    """``make_stats(file, **changes)``: a recording in which nothing is wrong but the changes."""

    def make(file: str, **changes: object) -> RecordingStats:
        return replace(GOOD, **{"file": file, "sha256": file, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def healthy_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One machine; tests only read it."""
    return write_dataset(
        tmp_path_factory.mktemp("healthy"),
        machines=[3],
        train_clips=6,
        test_normals=6,
        test_anomalies=8,
        seconds=4.0,
        seed=1,
    )


@pytest.fixture
def data(healthy_dataset: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(healthy_dataset, tmp_path / "data")
