"""Levels in dBFS: the one place where an amplitude becomes decibels below full scale."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    return round(dbfs(rms(without_offset(samples))), 2)


def without_offset(samples: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """``samples`` (n,) without their mean: converters add a constant (DC) offset to the sound."""
    if not len(samples):
        return samples
    # NumPy adds in pairs, which is exact enough in single precision, and faster.
    return np.asarray(samples - np.add.reduce(samples) / samples.dtype.type(len(samples)))


def deviation(squares: float, total: float, count: int) -> float:
    """RMS amplitude without the constant offset.

    squares, total: sums of the squares and of the samples. count: of the samples, at least 1.
    """
    return math.sqrt(max(squares / count - (total / count) ** 2, 0.0))


def rms(samples: NDArray[np.floating[Any]]) -> float:
    """RMS amplitude of ``samples`` (n,), full scale 1; 0 if there are none."""
    n_whole = len(samples) // _BLOCK_SAMPLES * _BLOCK_SAMPLES
    blocks = samples[:n_whole].reshape(-1, _BLOCK_SAMPLES)
    last = samples[n_whole:]
    squares = float(np.vecdot(blocks, blocks).sum(dtype=np.float64))
    squares += float(np.square(last, dtype=np.float64).sum()) if len(last) else 0.0
    return math.sqrt(squares / max(1, len(samples)))


def peak(samples: NDArray[np.floating[Any]]) -> float:
    """Peak amplitude of ``samples`` (n,) or (n, channels), full scale 1; 0 if there are none."""
    return float(np.abs(samples).max(initial=0.0))
