"""A calibrated machine and its sound for the services."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edgeae.calibrate.calibrate import calibrate_files
from edgeae.runtime.audio.recordings import audio_files
from edgeae.runtime.scoring.detector import Detector
from tests.conftest import Trained


@pytest.fixture(scope="session")
def machine(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 artifact, calibrated on the new machine."""
    path = tmp_path_factory.mktemp("machine") / "machine.onnx"
    detector = Detector.load(trained.int8)
    clips = audio_files(trained.new / "train")
    calibrate_files(detector, clips, machine="pump-3", report=print).artifact.write(path)
    return path


@pytest.fixture(scope="session")
def sound(trained: Trained) -> NDArray[np.int16]:
    """Normal recordings of the machine in a row, (n,) at 16 kHz."""
    clips = audio_files(trained.new / "train")
    return np.concatenate([soundfile.read(clip, dtype="int16")[0] for clip in clips])
