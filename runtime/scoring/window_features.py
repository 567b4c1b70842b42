"""The feature vector of a window: sums over its patches, and the views they form."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..system.arrays import Float64

EPSILON = 0.02  # standard deviations: about a step of an int8 artifact's sums, the spread of digital silence


@lru_cache(maxsize=8)
def smooth_basis(n_mels: int) -> Float64:
    """(n_mels, n_mels // 4): the first cosines over the bands (DCT-II), orthonormal. Not to be written to."""
    band, order = np.arange(n_mels)[:, None], np.arange(n_mels // 4)[None]
    basis = np.cos(np.pi * (band + 0.5) * order / n_mels) * np.sqrt(2 / n_mels)
    basis[:, 0] /= np.sqrt(2)
    basis.setflags(write=False)  # one array for all who ask
    return np.asarray(basis)


def n_features_of(n_mels: int) -> int:
    """Features of a window."""
    return 1 + 2 * (n_mels + 2 * (n_mels // 4))


def n_mels_of(size: int) -> int:
    """Mel bands of a window of so many window_features."""
    return next(n for n in range(size) if n_features_of(n) >= size)


def window_features(statistics: NDArray[np.floating[Any]], frames: int) -> Float64:
    """(size,) window_features of one window: energy, the input's view, the residual's.

    statistics: (n_patches, 3, 2 * n_mels) of its patches of ``frames`` frames, see `edgeae.runtime.model.network`.
    """
    patches, n_mels = len(statistics), statistics.shape[2] // 2
    total, squares, changes = statistics.sum(axis=0, dtype=np.float64).reshape(
        3, 2, n_mels
    )  # each: (view, band)
    mean, square = total / (patches * frames), squares / (patches * frames)
    variances = np.stack(
        [np.maximum(square - mean * mean, 0), changes / (patches * (frames - 1))], axis=1
    )
    smooth = np.log(np.sqrt(variances) + EPSILON) @ smooth_basis(
        n_mels
    )  # (view, spread or change, n_mels // 4)
    found = np.empty(n_features_of(n_mels))
    found[0] = np.log(np.add.reduce(square[1]) / n_mels + 1e-12)
    views = found[1:].reshape(2, -1)
    views[:, :n_mels], views[:, n_mels:] = mean, smooth.reshape(2, -1)
    return found


def view_slices(size: int) -> tuple[slice, slice]:
    """Where the input's and the residual's window_features stand."""
    middle = 1 + (size - 1) // 2
    return slice(1, middle), slice(middle, size)
