"""Levels in dBFS."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.audio.level import MIN_LEVEL_DBFS, dbfs, deviation, level_dbfs, peak, rms

TONE = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.float32)


@pytest.mark.parametrize(
    ("amplitude", "level"), [(1.0, 0.0), (0.1, -20.0), (2.0, 6.02), (1e-6, -120.0), (0.0, -120.0)]
)
def test_an_amplitude_is_decibels_below_full_scale(amplitude: float, level: float) -> None:
    assert dbfs(amplitude) == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize(
    ("samples", "level"),
    [(TONE, -9.03), (TONE + 0.25, -9.03), (np.ones(9), -120), (np.empty(0), -120)],
)
def test_level_is_rms_below_full_scale(samples: NDArray[np.float64], level: float) -> None:
    assert level_dbfs(samples) == pytest.approx(level, abs=0.01)


def test_nothing_is_quieter_than_digital_silence() -> None:
    silence = np.zeros(1000, np.float32)
    assert level_dbfs(silence) == dbfs(peak(silence)) == dbfs(1e-12) == MIN_LEVEL_DBFS


@pytest.mark.parametrize("length", [1, 511, 512, 513, 5000])
def test_rms_is_that_of_double_precision(length: int) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    expected = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    assert rms(samples) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("offset", [0.0, 2**-14, -0.5])
def test_a_constant_offset_is_no_sound(offset: float) -> None:
    samples = TONE * np.float32(1e-3) + np.float32(offset)
    squares = float(np.square(samples, dtype=np.float64).sum())
    total = float(samples.sum(dtype=np.float64))
    assert level_dbfs(samples) == pytest.approx(-69.03, abs=0.01)
    assert dbfs(deviation(squares, total, len(samples))) == pytest.approx(-69.03, abs=0.01)


def test_peak_is_the_largest_amplitude_of_either_sign() -> None:
    assert peak(np.array([0.25, -0.75, 0.5], np.float32)) == 0.75
    assert peak(np.empty(0, np.float32)) == 0.0
