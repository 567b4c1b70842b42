"""The feature vectors of windows: statistics of their patches."""

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


def window_features(statistics: PatchStatistics, n_frames: int, n_patches: int) -> Float64:
    """(n_windows, n_features) energy, of the input, of the residual, identity embedding.

    statistics: of patches in a row; a window ends with each patch that has enough before it.
    n_frames: frames of one patch.
    n_patches: patches of one window.

    The sums of a window are added anew, in the order of its patches: so a window has the same bits
    however many others are computed with it, which differences of running sums would not have.
    """
    n_columns = statistics.sums.shape[2]
    n_mels = n_columns // 2
    n_identity = statistics.identity.shape[1]
    n_windows = len(statistics) - n_patches + 1
    patch_sums = statistics.sums.astype(np.float64)
    sums = np.array(
        [np.add.reduce(patch_sums[k : k + n_patches], axis=0) for k in range(n_windows)]
    )
    total, squares, changes = (sums.reshape(n_windows, 3, 2, n_mels)[:, k] for k in range(3))
    mean = total / (n_patches * n_frames)
    square = squares / (n_patches * n_frames)
    # (n_windows, view, in time or of the change, n_mels)
    variances = np.empty((n_windows, 2, 2, n_mels))
    np.maximum(square - mean * mean, 0, out=variances[:, :, 0])
    variances[:, :, 1] = changes / (n_patches * (n_frames - 1))
    smooth = np.log(np.sqrt(variances) + EPSILON) @ smooth_basis(n_mels)

    features = np.empty((n_windows, n_features_of(n_mels, n_identity)))
    end = features.shape[1] - n_identity
    features[:, 0] = np.log(np.add.reduce(square[:, 1], axis=1) / n_mels + 1e-12)
    by_view = np.concatenate([mean, smooth.reshape(n_windows, 2, -1)], axis=2)
    features[:, 1:end] = by_view.reshape(n_windows, -1)
    if n_identity:
        identity = statistics.identity.astype(np.float64)
        for k in range(n_windows):
            features[k, end:] = np.add.reduce(identity[k : k + n_patches], axis=0) / n_patches
    return features
