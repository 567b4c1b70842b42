"""The feature vector of a window: statistics of its patches."""

from functools import lru_cache

import numpy as np

from ..model.network import PatchStatistics
from ..system.arrays import Float64

# Standard deviations that are added to every spread and change: about one step of the sums of an
# int8 artifact. It is also the spread of digital silence.
EPSILON = 0.02


@lru_cache(maxsize=8)
def smooth_basis(n_mels: int) -> Float64:
    """(n_mels, n_mels // 4) the first cosines over the bands (DCT-II), orthonormal, read-only."""
    band = np.arange(n_mels)[:, None]
    order = np.arange(n_mels // 4)[None]
    basis = np.cos(np.pi * (band + 0.5) * order / n_mels) * np.sqrt(2 / n_mels)
    basis[:, 0] /= np.sqrt(2)
    basis.setflags(write=False)  # all callers share one array
    return np.asarray(basis)


def n_features_of(n_mels: int, n_identity: int = 0) -> int:
    """Number of features of a window; n_identity: numbers of the identity embedding."""
    return 1 + 2 * (n_mels + 2 * (n_mels // 4)) + n_identity


def n_mels_of(n_features: int) -> int:
    """Number of mel bands of a window with ``n_features`` features."""
    return next(n for n in range(n_features) if n_features_of(n) >= n_features)


def window_features(statistics: PatchStatistics, n_frames: int) -> Float64:
    """(n_features,) of one window: energy, of the input, of the residual, identity embedding.

    statistics: of its patches.
    n_frames: frames of one patch.
    """
    n_patches, _, n_columns = statistics.sums.shape
    n_mels = n_columns // 2
    n_identity = statistics.identity.shape[1]
    sums = statistics.sums.sum(axis=0, dtype=np.float64)
    total, squares, changes = sums.reshape(3, 2, n_mels)  # each: (view, band)
    mean = total / (n_patches * n_frames)
    square = squares / (n_patches * n_frames)
    variance_in_time = np.maximum(square - mean * mean, 0)
    variance_of_change = changes / (n_patches * (n_frames - 1))
    variances = np.stack([variance_in_time, variance_of_change], axis=1)
    # (view, spread or change, n_mels // 4)
    smooth = np.log(np.sqrt(variances) + EPSILON) @ smooth_basis(n_mels)

    features = np.empty(n_features_of(n_mels, n_identity))
    end = len(features) - n_identity
    features[end:] = statistics.identity.sum(axis=0, dtype=np.float64) / n_patches
    features[0] = np.log(np.add.reduce(square[1]) / n_mels + 1e-12)
    views = features[1:end].reshape(2, -1)
    views[:, :n_mels] = mean
    views[:, n_mels:] = smooth.reshape(2, -1)
    return features
