"""What is normal for one machine, band by band: what the state of the microphone is judged against."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ..features.mel import band_edges
from ..system.arrays import Float64

if TYPE_CHECKING:
    from ..scoring.detector import Detector

MASKED_BAND_STD_DB = (
    1e3  # dB; a band with such a deviation is one that training makes the network deaf to
)


@dataclass(frozen=True)
class BandBaseline:
    """The mean log-mel of this machine, and how it varies while nothing is wrong."""

    bands: Float64  # (n_mels,) dB
    band_std: Float64  # (n_mels,) dB, of each band
    level_std: float  # dB, of all bands together
    scatter: float  # dB, of the bands from each other
    edges: Float64  # (n_mels + 2,) Hz, see `band_edges`

    @classmethod
    def of(cls, detector: "Detector") -> Self:
        n, std, fleet = detector.spec.n_mels, detector.band_std, detector.head.fleet
        learned = 1 + 1 / max(
            1, detector.head.windows
        )  # the mean itself is only as good as its windows
        scale = fleet.within_std[1 : 1 + n] * std * np.sqrt(learned)
        heard = std < MASKED_BAND_STD_DB
        covariance = (fleet.within_correlation[0][:n, :n] * np.outer(scale, scale))[
            np.ix_(heard, heard)
        ]
        level = float(covariance.mean())
        scatter = float(np.diag(covariance).mean()) - level
        bands = detector.head.mean[1 : 1 + n] * std + _origin(detector)
        level_std, scatter_std = np.sqrt(max(level, 0.0)), np.sqrt(max(scatter, 0.0))
        return cls(bands, scale, level_std, scatter_std, band_edges(detector.spec))


def _origin(detector: "Detector") -> Float64:
    """(n_mels,) dB that stands for 0 in the network's input, from what the network makes of a known patch."""
    n, frames = detector.spec.n_mels, detector.network.patch_frames
    ranges = detector.artifact.sections.get("quantization")
    probe = (
        np.full(n, -50.0) if not ranges else (ranges["input_low_db"] + ranges["input_high_db"]) / 2
    )
    patch = np.tile(probe.astype(np.float32), (1, frames, 1))
    return np.asarray(probe - detector.network(patch)[0, 0, :n] / frames * detector.band_std)
