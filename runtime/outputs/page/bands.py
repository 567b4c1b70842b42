"""The spectrum of a window as the live page shows it: its level and its residual by band.

    levels     mean log-mel level of the last patch, about a second: one byte is .6 dB, from -100 dB
    residual   mean square of the network's residual in the window relative to this machine's normal
               sound: one byte is .25 dB, 128 is normal

A fault that changes only the variation of a band shows in the residual as well: the residual is the
square of its mean plus the square of its spread over time. The spread is smooth over the bands
(`edgeae.runtime.scoring.window_features`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...features.mel import band_edges
from ...model.sections import MASKED_BAND_STD_DB
from ...monitoring.baseline import BandBaseline
from ...scoring.detector import Detector
from ...scoring.window_features import smooth_basis
from ...scoring.window_stream import Window
from ...system.arrays import Float64
from .lines import AboutLine, BandsLine

MIN_LEVEL_DB = -100.0  # of byte 0
LEVEL_STEP_DB = 0.6
NORMAL_RESIDUAL_BYTE = 128
RESIDUAL_STEP_DB = 0.25


class BandEncoder:
    """Makes the lines of one source that only the page receives."""

    def __init__(self, source: str, detector: Detector, model: str) -> None:
        """model: name of the artifact's file."""
        self._source = source
        self._n_mels = detector.spec.n_mels
        self._detector = detector
        self._model = model
        self._basis = smooth_basis(self._n_mels)
        self._baseline = BandBaseline.of(detector.spec, detector.head, detector.artifact.explain)
        self._normal_residual = self._residual(detector.head.mean)

    def about(self) -> AboutLine:
        """The calibration and the bands, which do not change."""
        detector = self._detector
        rule = detector.threshold
        return AboutLine(
            source=self._source,
            machine=detector.machine,
            threshold=rule.value,
            false_alarms=rule.false_alarms,
            extrapolated=rule.extrapolated,
            alarm_windows=rule.alarm_windows,
            of_windows=rule.of_windows,
            window=detector.window,
            model=self._model,
            windows=detector.head.windows,
            centres_hz=[round(float(hertz)) for hertz in band_edges(detector.spec)[1:-1]],
            normal=self._normal_levels(),
        )

    def encode(self, window: Window) -> BandsLine:
        """The line of one window."""
        change_db = 10 * np.log10(self._residual(window.features) / self._normal_residual)
        steps = np.rint(change_db / RESIDUAL_STEP_DB) + NORMAL_RESIDUAL_BYTE
        latest = np.zeros(self._n_mels) if window.latest is None else window.latest
        return BandsLine(
            source=self._source,
            machine=self._detector.machine,
            levels=encode_levels(latest),
            residual=bytes(np.clip(steps, 0, 255).astype(np.uint8)),
        )

    def _normal_levels(self) -> bytes:
        """The mean level of each band; 0 for a masked band, whose level is unknown."""
        is_known = self._detector.band_std < MASKED_BAND_STD_DB
        return encode_levels(np.where(is_known, self._baseline.bands, MIN_LEVEL_DB))

    def _residual(self, features: Float64) -> Float64:
        """(n_mels,) mean square of the residual, in squared standard deviations of training sound.

        features: (n_features,) of a window; they end in the mean, spread and jumps of the residual.
        """
        n = self._n_mels
        mean, spread = np.split(features[-(n + 2 * (n // 4)) : -(n // 4)], [n])
        return np.asarray(np.square(mean) + np.exp(2 * self._basis @ spread))


def encode_levels(levels_db: NDArray[np.floating[Any]]) -> bytes:
    """(n,) dB, one byte each."""
    steps = np.rint((levels_db - MIN_LEVEL_DB) / LEVEL_STEP_DB)
    return bytes(np.clip(steps, 0, 255).astype(np.uint8))
