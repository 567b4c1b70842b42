"""The normal levels of one machine, band by band, that the health checks compare against."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..features.mel import MelSpec, band_edges
from ..model.sections import MASKED_BAND_STD_DB, ExplainSection
from ..scoring.head import Head
from ..system.arrays import Float64


@dataclass(frozen=True)
class BandBaseline:
    """The mean log-mel of a normal machine, and its standard deviations."""

    bands: Float64  # (n_mels,) dB
    band_std: Float64  # (n_mels,) dB, of each band
    level_std: float  # dB, of all bands together
    scatter: float  # dB, of the bands from each other
    edges: Float64  # (n_mels + 2,) Hz, see `band_edges`

    @classmethod
    def of(cls, spec: MelSpec, head: Head, explain: ExplainSection) -> Self:
        """The baseline of the machine of ``head``, whose network standardises with ``explain``."""
        n = spec.n_mels
        std = explain.band_std_db
        uncertainty_of_mean = 1 / max(1, head.windows)
        scale = head.fleet.within_std[1 : 1 + n] * std * np.sqrt(1 + uncertainty_of_mean)
        used = std < MASKED_BAND_STD_DB
        covariance = head.fleet.within_correlation[0][:n, :n] * np.outer(scale, scale)
        covariance = covariance[np.ix_(used, used)]
        level_variance = float(covariance.mean())
        scatter_variance = float(np.diag(covariance).mean()) - level_variance
        return cls(
            bands=head.mean[1 : 1 + n] * std + explain.band_mean_db,
            band_std=scale,
            level_std=np.sqrt(max(level_variance, 0.0)),
            scatter=np.sqrt(max(scatter_variance, 0.0)),
            edges=band_edges(spec),
        )
