"""What a live page shows of a window besides its score: a column of the spectrogram, and the
residual by band.

    levels     mean log-mel of the last patch, about a second: a byte is .6 dB, from -100 dB on
    residual   mean square of the network's residual in the window against this machine's normal:
    a byte is .25 dB,
               128 is as normal

A fault that only makes a band vary shows in the residual as well: its square is that of the mean
and of the spread over
time, which is smooth over the bands (`edgeae.runtime.scoring.head`).
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

# dB: where bytes of levels begin, and what one is
LOWEST = -100.0
LEVEL_STEP = 0.6
# the byte of no change, and what one more is, dB
SAME = 128
RESIDUAL_STEP = 0.25


class View:
    """Makes the lines of one source that are for the page alone."""

    def __init__(self, source: str, detector: Detector, model: str) -> None:
        """model: name of the artifact's file."""
        self._source = source
        self._n_mels = detector.spec.n_mels
        self._detector = detector
        self._model = model
        self._basis = smooth_basis(self._n_mels)
        self._baseline = BandBaseline.of(detector.spec, detector.head, detector.artifact.explain)
        self._normal = self._residual(detector.head.mean)

    def about(self) -> AboutLine:
        """What does not change: the calibration, and the bands."""
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
            normal=self._heard_normal(),
        )

    def _heard_normal(self) -> bytes:
        """The mean level of each band; 0 for a masked band, of which nothing is known
        of it."""
        bands = self._baseline.bands
        return levels(np.where(self._detector.band_std < MASKED_BAND_STD_DB, bands, LOWEST))

    def of(self, window: Window) -> BandsLine:
        """The line of one window: the levels of its last patch and its residual."""
        change = 10 * np.log10(self._residual(window.features) / self._normal)
        residual = np.clip(np.rint(change / RESIDUAL_STEP) + SAME, 0, 255).astype(np.uint8)
        latest = np.zeros(self._n_mels) if window.latest is None else window.latest
        return BandsLine(
            source=self._source,
            machine=self._detector.machine,
            levels=levels(latest),
            residual=bytes(residual),
        )

    def _residual(self, features: Float64) -> Float64:
        """(n_mels,) mean square of the residual by band, in squared standard deviations of the
        training sound."""
        n = self._n_mels
        mean, spread = np.split(features[-(n + 2 * (n // 4)) : -(n // 4)], [n])
        return np.asarray(np.square(mean) + np.exp(2 * self._basis @ spread))


def levels(bands: NDArray[np.floating[Any]]) -> bytes:
    """(n,) dB, a byte each."""
    return bytes(np.clip(np.rint((bands - LOWEST) / LEVEL_STEP), 0, 255).astype(np.uint8))
