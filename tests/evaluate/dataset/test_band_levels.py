"""Levels by band, and the highest frequency that holds sound."""

import numpy as np
import pytest
import soxr

from edgeae.evaluate.dataset.band_levels import BandLevels, bandwidth_hz
from edgeae.runtime.features.mel import log_mel
from edgeae.runtime.system.arrays import Float64

RATE = 16000


def _noise(seed: int, seconds: float = 2.0) -> Float64:
    return np.random.default_rng(seed).normal(0, 0.05, round(RATE * seconds))


def test_quantiles_of_the_bands_are_those_of_all_frames_within_a_decibel() -> None:
    pieces = [log_mel(_noise(seed)) for seed in range(3)]
    levels = BandLevels()
    for piece in pieces:
        levels.add(piece)
    for share in (0.05, 0.5, 0.95):
        expected = np.quantile(np.concatenate(pieces), share, axis=0)
        np.testing.assert_allclose(levels.quantile(share), expected, atol=1.0)


def test_levels_beyond_the_scale_are_counted_at_its_ends() -> None:
    levels = BandLevels()
    levels.add(np.full((2, 128), -500, np.float32))
    levels.add(np.full((3, 128), 500, np.float32))
    assert (levels.counts.sum(axis=1) == 5).all()
    assert (levels.counts[:, [0, -1]] == (2, 3)).all()


@pytest.mark.parametrize("rate", [4000, 8000])
def test_sound_of_a_lower_rate_ends_below_half_of_it(rate: int) -> None:
    narrow = soxr.resample(soxr.resample(_noise(0), RATE, rate), rate, RATE)
    assert bandwidth_hz(log_mel(narrow).mean(axis=0)) == pytest.approx(rate / 2, rel=0.06)


@pytest.mark.parametrize("octaves", [0, 2])  # white, and falling by 12 dB an octave
def test_sound_up_to_the_top_has_no_bandwidth(octaves: int) -> None:
    spectrum = np.fft.rfft(_noise(0))
    frequency = np.maximum(np.fft.rfftfreq(round(2.0 * RATE), 1 / RATE), 50)
    sound = np.fft.irfft(spectrum * (50 / frequency) ** octaves)
    assert bandwidth_hz(log_mel(sound).mean(axis=0)) is None
