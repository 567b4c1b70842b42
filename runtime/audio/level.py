"""Levels in dBFS: the one place where an amplitude becomes decibels below full scale."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..system.arrays import Float64

MIN_LEVEL_DBFS = -120.0  # the level of digital silence
SILENCE_DBFS = -90.0  # RMS; a second of sound below it holds nothing that could be judged
_MIN_AMPLITUDE = 10 ** (MIN_LEVEL_DBFS / 20)
_BLOCK_SAMPLES = 512  # samples whose squares are summed in single precision


def dbfs(amplitude: float) -> float:
    """Level in dBFS of a peak or RMS amplitude, full scale 1; -120 for digital silence."""
    return 20 * math.log10(max(amplitude, _MIN_AMPLITUDE))


def level_dbfs(samples: NDArray[np.floating[Any]]) -> float:
    """RMS level in dBFS of ``samples`` (n,), to 0.01 dB; -120 for digital silence.

    A constant (DC) offset is no sound, and does not count.
    """
    return levels_dbfs(samples[None])[0]


def levels_dbfs(stretches: NDArray[np.floating[Any]]) -> list[float]:
    """`level_dbfs` of each of ``stretches`` (n_stretches, n_samples)."""
    return [round(dbfs(each), 2) for each in _rms(without_offset(stretches)).tolist()]


def without_offset(samples: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """``samples`` (..., n) without their mean: converters add a constant (DC) offset."""
    n_samples = samples.shape[-1]
    if not n_samples:
        return samples
    # NumPy adds in pairs, which is exact enough in single precision, and faster.
    total = np.add.reduce(samples, axis=-1, keepdims=True)
    return np.asarray(samples - total / samples.dtype.type(n_samples))


def deviation(squares: float, total: float, count: int) -> float:
    """RMS amplitude without the constant offset.

    squares, total: sums of the squares and of the samples. count: of the samples, at least 1.
    """
    return math.sqrt(max(squares / count - (total / count) ** 2, 0.0))


def rms(samples: NDArray[np.floating[Any]]) -> float:
    """RMS amplitude of ``samples`` (n,), full scale 1; 0 if there are none."""
    return float(_rms(samples))


def _rms(samples: NDArray[np.floating[Any]]) -> Float64:
    """RMS amplitude of ``samples`` (..., n)."""
    n_samples = samples.shape[-1]
    n_blocks = n_samples // _BLOCK_SAMPLES
    n_whole = n_blocks * _BLOCK_SAMPLES
    blocks = samples[..., :n_whole].reshape(*samples.shape[:-1], n_blocks, _BLOCK_SAMPLES)
    squares = np.vecdot(blocks, blocks).sum(axis=-1, dtype=np.float64)
    if n_whole < n_samples:
        squares = squares + np.square(samples[..., n_whole:], dtype=np.float64).sum(axis=-1)
    return np.asarray(np.sqrt(squares / max(1, n_samples)))


def peak(samples: NDArray[np.floating[Any]]) -> float:
    """Peak amplitude of ``samples`` (n,) or (n, channels), full scale 1; 0 if there are none."""
    return float(np.abs(samples).max(initial=0.0))
