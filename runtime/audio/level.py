"""Levels in dBFS."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

POWER_BLOCK = 512  # samples whose squares are added up in single precision


def level_dbfs(samples: NDArray[np.floating[Any]]) -> float:
    """RMS level of ``samples`` (n,) in dB below full scale; -120 at the least."""
    whole = samples[: len(samples) // POWER_BLOCK * POWER_BLOCK].reshape(-1, POWER_BLOCK)
    rest = np.square(samples[whole.size :], dtype=np.float64)
    squares = np.einsum("ij,ij->i", whole, whole).sum(dtype=np.float64) + rest.sum()
    return round(10 * math.log10(max(squares / max(1, len(samples)), 1e-12)), 2)
