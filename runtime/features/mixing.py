"""Mixes sounds that are given as log-mel frames, by adding their powers."""

import numpy as np

from ..system.arrays import Float32


def mixed(frames: Float32, noise: Float32, snr_db: float) -> Float32:
    """Frames (n, n_mels) dB with noise (n_noise, n_mels) dB, which is repeated as often as needed.

    snr_db: ratio of the mean powers over all bands.
    """
    n_repeats = len(frames) // len(noise) + 1
    repeated = np.tile(noise, (n_repeats, 1))[: len(frames)]
    power = 10 ** (frames.astype(np.float64) / 10)
    noise_power = 10 ** (repeated.astype(np.float64) / 10)
    factor = power.mean() / noise_power.mean() / 10 ** (snr_db / 10)
    return np.asarray(10 * np.log10(power + factor * noise_power), np.float32)
