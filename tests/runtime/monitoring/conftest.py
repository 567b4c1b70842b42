"""Detectors for what monitors one source."""

from pathlib import Path

import pytest

from edgeae.runtime.scoring.detector import Detector


@pytest.fixture(scope="session")
def calibrated(machine: Path) -> Detector:
    """A calibrated detector with charts."""
    return Detector.load(machine)
