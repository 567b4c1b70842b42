"""The noise that is declared no fault."""

import numpy as np
import pytest

from edgeae.runtime.features.mel import MelSpec
from edgeae.train.synth.background_noise import N_EXAMPLES, SNR_DB, noise_examples, with_noise

SPEC = MelSpec(n_mels=16)


def mean_power(frames: np.ndarray) -> float:
    return float(np.mean(10 ** (frames.astype(np.float64) / 10)))


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_added_in_power_at_the_ratio(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    frames = rng.uniform(-60, -20, (70, 16)).astype(np.float32)
    noise = rng.uniform(-90, -80, (20, 16)).astype(np.float32)
    noisy = with_noise(frames, noise, snr_db)
    assert noisy.shape == frames.shape
    # The last repetition of the noise is cut, so that its mean power differs a little.
    added = mean_power(noisy) / mean_power(frames) - 1
    assert added == pytest.approx(10 ** (-snr_db / 10), rel=0.05)


def test_the_examples_are_the_same_each_time_and_differ_from_each_other() -> None:
    first = list(noise_examples(SPEC))
    noise_examples.cache_clear()
    second = list(noise_examples(SPEC))
    assert len(first) == N_EXAMPLES
    for (noise, snr_db), (other, other_snr_db) in zip(first, second, strict=True):
        np.testing.assert_array_equal(noise, other)
        assert SNR_DB[0] <= snr_db == other_snr_db <= SNR_DB[1]
    spectra = np.array([noise.mean(axis=0) for noise, _ in first[:8]])
    distances = np.abs(spectra[:, None] - spectra).mean(axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 1
