"""Sound and detectors for sources of live sound."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.model.artifact import Artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32


@pytest.fixture(scope="module")
def detector(machine: Path) -> Detector:
    return Detector.load(machine)


@pytest.fixture(scope="module")
def alarmed(machine: Path) -> Detector:
    """A detector with a threshold that every window exceeds; 3 of 5 windows start an alarm."""
    artifact = Artifact.read(machine)
    threshold = {
        **artifact.sections["threshold"],
        "value": -100.0,
        "alarm_windows": 3,
        "of_windows": 5,
    }
    return Detector(artifact.with_sections(threshold=threshold))


@pytest.fixture(scope="module")
def samples(sound: NDArray[np.int16]) -> Float32:
    """16 s of normal sound at 16 kHz, full scale 1."""
    return np.asarray(sound / np.float32(2**15), np.float32)
