import numpy as np
import pytest

from edgeae.runtime.features.mixing import mixed
from edgeae.runtime.system.arrays import Float32


def mean_power(frames: Float32) -> float:
    return float(np.mean(10 ** (frames.astype(np.float64) / 10)))


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_added_in_power_at_the_ratio(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    frames = rng.uniform(-60, -20, (70, 16)).astype(np.float32)
    noise = rng.uniform(-90, -80, (20, 16)).astype(np.float32)
    noisy = mixed(frames, noise, snr_db)
    assert noisy.shape == frames.shape
    # The last repetition of the noise is cut, so that its mean power differs a little.
    added = mean_power(noisy) / mean_power(frames) - 1
    assert added == pytest.approx(10 ** (-snr_db / 10), rel=0.05)
