"""Background noise of any plant, which is no fault of the machine.

The noise is stationary or slowly modulated, with a spectrum of a random slope and random smooth
bumps. An export adds it in power to the training recordings, at signal-to-noise ratios from loud to
hardly audible, and adds what it does to the features of a window to the covariance of normal sound.
"""

from functools import cache

import numpy as np

from edgeae.runtime.features.mel import MelSpec, log_mel
from edgeae.runtime.system.arrays import Float32, Float64

SEED = 7
N_NOISES = 32
NOISE_SECONDS = 10
N_EXAMPLES = 96  # recordings with noise
SNR_DB = (5.0, 35.0)  # lowest and highest
MAX_SLOPE = 2.0  # of the power over the frequency; 0 is white noise, 1 pink, 2 brown
BUMP_DB = 4.0  # standard deviation of the spectrum at N_BUMPS frequencies
N_BUMPS = 8
LOWEST_BUMP_HZ = 30.0
MAX_MODULATION = 0.5  # natural logarithm of the amplitude
MODULATION_HZ = (0.05, 0.5)
NOISE_RMS = 0.1  # full scale is 1


@cache  # an export needs them for the float and for the int8 network
def noise_examples(spec: MelSpec) -> tuple[tuple[Float32, float], ...]:
    """N_EXAMPLES noises (n_frames, n_mels) dB, each with a signal-to-noise ratio in dB."""
    rng = np.random.default_rng(SEED)
    n_samples = NOISE_SECONDS * spec.sample_rate
    noises = [
        log_mel(_noise(rng, n_samples, spec.sample_rate).astype(np.float32), spec)
        for _ in range(N_NOISES)
    ]
    for noise in noises:
        noise.flags.writeable = False
    return tuple(
        (noises[number % N_NOISES], float(rng.uniform(*SNR_DB))) for number in range(N_EXAMPLES)
    )


def _noise(rng: np.random.Generator, n_samples: int, sample_rate: int) -> Float64:
    """(n_samples,) of one random noise."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    frequencies[0] = frequencies[1]
    bumps_hz = np.geomspace(LOWEST_BUMP_HZ, sample_rate / 2, N_BUMPS)
    bumps_db = rng.normal(0, BUMP_DB, N_BUMPS)
    level_db = np.interp(np.log(frequencies), np.log(bumps_hz), bumps_db)
    slope = rng.uniform(0, MAX_SLOPE)
    amplitudes = frequencies ** (-slope / 2) * 10 ** (level_db / 20)
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    noise = np.fft.irfft(amplitudes * np.exp(1j * phases), n_samples)
    time = np.arange(n_samples) / sample_rate
    modulation = np.sin(2 * np.pi * (rng.uniform(*MODULATION_HZ) * time + rng.uniform()))
    noise = noise * np.exp(rng.uniform(0, MAX_MODULATION) * modulation)
    return np.asarray(NOISE_RMS * noise / np.sqrt(np.mean(np.square(noise))))
