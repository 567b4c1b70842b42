"""The quietest sound of a calibration."""

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from tests.conftest import Trained

RATE = 16000


def noise(seconds: float, amplitude: float) -> Float32:
    samples = np.random.default_rng(0).standard_normal(round(seconds * RATE)) * amplitude
    return samples.astype(np.float32)


def test_all_windows_count_also_those_that_overlap(trained: Trained) -> None:
    """A quiet part of one window's length is whole in one of the windows, wherever it lies."""
    fleet = Detector.load(trained.int8)
    seconds = fleet.window_frames / fleet.spec.frames_per_second
    levels = []
    for start in (10.0, 10.0 + seconds / 2):
        sound = np.concatenate([noise(start, 0.1), noise(1.5 * seconds, 0.001), noise(10, 0.1)])
        machine = calibrate(fleet, [sound], machine="press", force=True, report=print)
        quietest = machine.artifact.head.quietest_db
        assert quietest is not None
        levels.append(quietest.mean())
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
