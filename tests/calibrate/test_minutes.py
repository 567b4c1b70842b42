"""Whole minutes of a calibration are kept, and no sound counts twice."""

import numpy as np
import pytest

from edgeae.calibrate.calibrate import calibrate
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32


def _repeated(clips: list[Float32], seconds: float, rate: int) -> Float32:
    sound = np.concatenate(clips)
    n = round(seconds * rate)
    return np.tile(sound, n // len(sound) + 1)[:n]


def _calibrated(detector: Detector, sound: Float32, *, before: Detector | None = None) -> Detector:
    return calibrate(
        before or detector, [sound], add=before is not None, force=True, report=lambda _: None
    )


@pytest.fixture(scope="module")
def long(fresh: Detector, clips: list[Float32]) -> Detector:
    """Calibrated on five minutes and a half."""
    return _calibrated(fresh, _repeated(clips, 330, fresh.spec.sample_rate))


def test_a_minute_gives_windows_alone(fresh: Detector, clips: list[Float32]) -> None:
    machine = _calibrated(fresh, _repeated(clips, 60, fresh.spec.sample_rate))
    sound = machine.artifact.head.machine_sound
    assert sound is not None
    assert sound.minutes is None
    assert len(sound.windows) == machine.head.windows


def test_a_long_calibration_gives_its_first_minute_and_further_ones(long: Detector) -> None:
    sound = long.artifact.head.machine_sound
    assert sound is not None
    assert sound.minutes is not None
    assert len(sound.minutes) == 4
    assert len(sound.windows) == round(60 / long.window)
    assert sound.n_windows == len(sound.windows)


def test_added_minutes_stand_behind_the_earlier_ones(long: Detector, clips: list[Float32]) -> None:
    more = _repeated(clips[::-1], 200, long.spec.sample_rate)
    machine = _calibrated(long, more, before=long)
    before = long.artifact.head.machine_sound
    after = machine.artifact.head.machine_sound
    assert before is not None
    assert after is not None
    assert before.minutes is not None
    assert after.minutes is not None
    assert len(after.minutes) == len(before.minutes) + 3
    assert np.allclose(after.minutes[: len(before.minutes)], before.minutes, atol=1e-5)
    assert np.array_equal(after.windows, before.windows)
