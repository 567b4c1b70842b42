"""The levels of the mel bands of many recordings, and the highest frequency that holds sound."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.resample import PASSBAND
from edgeae.runtime.features.bandwidth import BELOW_BANDS, MIN_DROP_DB, find_step_down
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

# Data sets are inspected with the default features, whatever a configuration trains with: the
# limits of the checks and the groups of bands of a fingerprint hold for these.
INSPECTION_SPEC = MelSpec()
BAND_CENTRES_HZ = band_edges(INSPECTION_SPEC)[1:-1]  # (n_mels,)

MAX_LEVEL_DB = 60.0  # higher levels count as this one
LEVEL_EDGES_DB = np.arange(INSPECTION_SPEC.floor_db, MAX_LEVEL_DB + 1)  # of the histograms

EDGE_RANGE_HZ = (500.0, 6000.0)  # where the upper end of the sound is searched
BANDWIDTH_DIGITS = -2  # rounded to 100 Hz


class BandLevels:
    """The distribution of the level of each band over all frames of some recordings, to one dB."""

    def __init__(self) -> None:
        self.counts = np.zeros((INSPECTION_SPEC.n_mels, len(LEVEL_EDGES_DB) - 1), np.int64)

    def add(self, frames: Float32) -> None:
        """Count frames (n_frames, n_mels), dB; levels beyond the scale count at its ends."""
        n_bands, n_bins = self.counts.shape
        bins = np.clip(frames - LEVEL_EDGES_DB[0], 0, n_bins - 1).astype(np.intp)
        offsets = np.arange(n_bands) * n_bins  # so that one bincount counts all bands
        flat = (bins + offsets).ravel()
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def mean(self) -> Float64:
        """(n_mels,) dB: the mean level of each band."""
        centres = LEVEL_EDGES_DB[:-1] + 0.5
        return np.asarray(self.counts @ centres / np.maximum(self.counts.sum(axis=1), 1))

    def quantile(self, share: float) -> Float64:
        """(n_mels,) dB: the level below which each band is in this share of the frames."""
        below = np.cumsum(self.counts, axis=1)
        bins = np.argmax(below >= share * below[:, -1:], axis=1)
        return np.asarray(LEVEL_EDGES_DB[bins] + 0.5)


def bandwidth_hz(levels: NDArray[np.floating[Any]]) -> float | None:
    """The frequency above which there is no sound, Hz; None for sound up to the top.

    A low-pass, a lower sample rate and a lossy codec make an edge that is steeper than any
    machine's sound.

    levels: (n_mels,) dB, the mean over a recording
    """
    # A resampler changes the bands above its passband.
    top = int(np.searchsorted(BAND_CENTRES_HZ, PASSBAND * INSPECTION_SPEC.sample_rate / 2))
    first, last = (int(band) for band in np.searchsorted(BAND_CENTRES_HZ, EDGE_RANGE_HZ))
    step = find_step_down(np.asarray(levels, np.float64), range(first, last), top, _quiet_quarter)
    if step.drop_db < MIN_DROP_DB:
        return None
    return round(float(BAND_CENTRES_HZ[step.band]), BANDWIDTH_DIGITS)


def _quiet_quarter(below: Float64) -> Float64:
    """(n,) dB: the level that a quarter of the bands below an edge does not reach."""
    return np.asarray(np.sort(below, axis=1)[:, BELOW_BANDS // 4])
