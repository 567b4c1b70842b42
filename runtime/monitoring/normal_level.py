"""Is the machine on, and does its microphone work? The level of a window against the calibration.

Two kinds of sound are `off`:

    far below     less sound than the quietest window of the calibration, by 12 dB or more, unless
                  the spectrum has kept its shape: then the gain was turned down
    plain noise   above 1 kHz the spectrum is flat, as that of a converter without a microphone
                  and of no machine, and lies below that of the machine; or it falls evenly with
                  the frequency, up to as fast as pink noise (1/f), and lies far below that of the
                  machine; hum below 1 kHz does not matter

Bands that a constant (DC) offset of the samples reaches do not count. A machine that was calibrated
on such noise, or on its own quiet parts, is not off when it sounds like them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..features.mel import MelSpec, band_edges, filter_bank
from ..model.sections import MASKED_BAND_STD_DB, ExplainSection, HeadSection
from ..system.arrays import Float64

MIN_LOSS_DB = 12.0  # below the quietest window; normal windows of the same load vary by less than 7
MIN_LOSS_STDS = 4.0  # standard deviations of the level of normal windows
MAX_GAIN_LOSS_DB = 20.0  # below the mean; nobody turns a gain down by more
MIN_SHAPE_SHARE = 0.5  # of the variance of the spectrum that remains when it has kept its shape

MIN_NOISE_HZ = 1000.0  # mains hum and the noise of transistors (1/f) lie below
IGNORED_TOP_SHARE = 0.05  # of the bands, at the top: a resampler changes them
MAX_NOISE_RIPPLE_DB = 0.75  # ripple of plain noise: up to .4 in a window of 2 s; machines: above .9
MIN_MACHINE_RIPPLE_DB = 1.5  # of the calibration, or plain noise would be its sound
MIN_NOISE_LOSS_DB = 1.0  # of plain noise, below the mean of the calibration
MIN_SLOPED_NOISE_LOSS_DB = 6.0  # of noise that falls with the frequency: machines do so, too
# dB per octave of the power at each frequency: pink noise falls by 3, and an estimate varies.
MAX_NOISE_SLOPE_DB = 3.5

# Correlation of the powers of bins 0, 1 and 2 apart, of noise under a Hann window.
HANN_CORRELATION = (1.0, 4 / 9, 1 / 36)
MAD_STDS = 1.4826  # standard deviations in a median absolute deviation, of a normal distribution

Mask = NDArray[np.bool]


@dataclass(frozen=True)
class NormalLevel:
    """The level of a machine's normal sound."""

    mean: Float64  # (n_mels,) dB, of the calibration
    quietest: Float64  # (n_mels,) dB, of its quietest window
    min_loss_db: float  # below the quietest window, from which a window is far below
    ruler: "LevelRuler"

    @classmethod
    def of(
        cls, spec: MelSpec, head: HeadSection, explain: ExplainSection, level_std: float
    ) -> Self:
        """The normal level of a calibrated machine.

        level_std: dB, standard deviation of the level of normal windows.

        Raises ArtifactError for a quietest window of another number of bands.
        """
        n = spec.n_mels
        std = explain.band_std_db
        ruler = LevelRuler.of(spec, used=std < MASKED_BAND_STD_DB)
        mean = head.mean[1 : 1 + n] * std + explain.band_mean_db
        quietest = mean
        if head.quietest_db is not None:
            quietest = head.quietest_db
            if quietest.shape != (n,) or not np.isfinite(quietest).all():
                raise ArtifactError(
                    "the quietest window of the calibration is damaged; calibrate again"
                )
        elif head.machine_sound is not None:
            # Artifacts of before: of the windows that were kept.
            bands = head.machine_sound.windows[:, 1 : 1 + n] * std + explain.band_mean_db
            quietest = ruler.quietest(bands)
        if ruler.level_db(quietest) > ruler.level_db(mean):
            quietest = mean
        min_loss_db = max(MIN_LOSS_DB, MIN_LOSS_STDS * level_std)
        return cls(mean, quietest, min_loss_db, ruler)

    def is_off(self, bands: Float64, limit_ratio: float = 1.0) -> bool:
        """True for a machine that is off, or a microphone that is dead.

        bands: (n_mels,) dB, mean log-mel.
        limit_ratio: of the limits that is used; below 1 for a machine that is already off.
        """
        noise_loss_db = self._noise_loss_db(bands)
        for max_slope_db, min_loss_db in (
            (0.0, MIN_NOISE_LOSS_DB),
            (MAX_NOISE_SLOPE_DB, MIN_SLOPED_NOISE_LOSS_DB),
        ):
            is_low = noise_loss_db >= limit_ratio * min_loss_db
            if is_low and self._is_plain_noise(bands, max_slope_db, limit_ratio):
                return True
        below_quietest_db = self._quietest_level_db - self.ruler.level_db(bands)
        if below_quietest_db < limit_ratio * self.min_loss_db:
            return False
        return self._loss_db(bands) > MAX_GAIN_LOSS_DB or not self._has_kept_shape(bands)

    def below_db(self, bands: Float64) -> float:
        """How many dB the spectrum (n_mels,) lies below the calibration, apart from hum."""
        return max(self._loss_db(bands), self._noise_loss_db(bands))

    def change_db(self, bands: Float64) -> float:
        """How many dB the power of a spectrum (n_mels,) lies above the mean of the calibration."""
        return -self._loss_db(bands)

    @cached_property
    def _quietest_level_db(self) -> float:
        return self.ruler.level_db(self.quietest)

    @cached_property
    def _mean_level_db(self) -> float:
        return self.ruler.level_db(self.mean)

    @cached_property
    def _mean_noise_level_db(self) -> float:
        return self.ruler.noise_level_db(self.mean)

    def _loss_db(self, bands: Float64) -> float:
        """How many dB the level lies below the mean of the calibration."""
        return self._mean_level_db - self.ruler.level_db(bands)

    def _noise_loss_db(self, bands: Float64) -> float:
        """The same of the bands in which plain noise is recognised."""
        return self._mean_noise_level_db - self.ruler.noise_level_db(bands)

    def _is_plain_noise(self, bands: Float64, max_slope_db: float, limit_ratio: float) -> bool:
        """True if the window is as even as the noise of a converter, and the machine is not.

        max_slope_db: by how much the noise may fall in an octave.
        """
        if self.ruler.ripple_db(bands, max_slope_db) > MAX_NOISE_RIPPLE_DB / limit_ratio:
            return False
        of_machine = [
            self.ruler.ripple_db(spectrum, max_slope_db) for spectrum in (self.mean, self.quietest)
        ]
        return min(of_machine) >= MIN_MACHINE_RIPPLE_DB

    def _has_kept_shape(self, bands: Float64) -> bool:
        """True if the spectrum differs from the machine's by hardly more than the gain."""
        used = self.ruler.used
        change = (bands - self.mean)[used]
        shape = self.mean[used] - self.mean[used].mean()
        remainder = np.square(change - np.median(change)).mean()
        return bool(remainder <= (1 - MIN_SHAPE_SHARE) * np.square(shape).mean())


def normal_level_of_recordings(spec: MelSpec, spectra: Float64) -> NormalLevel:
    """The normal level of a machine without a calibration, from its normal recordings.

    spectra: (n, n_mels) dB, mean log-mel of each; most of them have to be of the running machine.
    """
    ruler = LevelRuler.of(spec)
    middle = np.asarray(np.median(spectra, axis=0), np.float64)
    levels = np.array([ruler.level_db(spectrum) for spectrum in spectra])
    deviation_db = float(np.median(np.abs(levels - np.median(levels)))) * MAD_STDS
    min_loss_db = max(MIN_LOSS_DB, MIN_LOSS_STDS * deviation_db)
    return NormalLevel(middle, middle, min_loss_db, ruler)


def is_plain_noise(spec: MelSpec, bands: Float64) -> bool:
    """True for a spectrum (n_mels,) dB as even as that of a converter without a microphone."""
    return LevelRuler.of(spec).ripple_db(bands, MAX_NOISE_SLOPE_DB) <= MAX_NOISE_RIPPLE_DB


@dataclass(frozen=True)
class LevelRuler:
    """Measures spectra (n_mels,) dB of mean log-mel."""

    widths_hz: Float64  # (n_mels,) of the bands; 0 for those that do not count
    is_noise_band: Mask  # (n_mels,) True for the bands in which plain noise is recognised
    noise_shape: Float64  # (n_mels,) dB, of noise with equal power at all frequencies
    octaves: Float64  # (n_mels,) of the centres of the bands, above 1 kHz

    @classmethod
    def of(cls, spec: MelSpec, used: Mask | None = None) -> Self:
        """The ruler of these features. used: (n_mels,) False for bands that do not count."""
        edges = band_edges(spec)
        bin_hz = spec.sample_rate / spec.n_fft
        counts = edges[:-2] >= bin_hz  # a constant offset leaks into the first bin
        if used is not None:
            counts = counts & used
        if not counts.any():
            counts = np.ones(spec.n_mels, bool)
        numbers = np.arange(spec.n_mels)
        is_noise_band = counts & (edges[1:-1] >= MIN_NOISE_HZ)
        is_noise_band &= numbers < round((1 - IGNORED_TOP_SHARE) * spec.n_mels)
        widths = np.where(counts, edges[2:] - edges[:-2], 0.0)
        octaves = np.log2(np.maximum(edges[1:-1], 1.0) / MIN_NOISE_HZ)
        return cls(widths, is_noise_band, noise_shape(spec), octaves)

    @property
    def used(self) -> Mask:
        """(n_mels,) True for the bands that count."""
        return np.asarray(self.widths_hz > 0)

    def level_db(self, bands: Float64) -> float:
        """The level of a spectrum in dB; only differences of levels have a meaning."""
        return _sum_db(bands, self.widths_hz)

    def noise_level_db(self, bands: Float64) -> float:
        """The level of the bands in which plain noise is recognised."""
        return _sum_db(bands, self.widths_hz * self.is_noise_band)

    def quietest(self, windows: Float64) -> Float64:
        """The one (n_mels,) of the spectra (n, n_mels) with the lowest level."""
        levels = [self.level_db(bands) for bands in windows]
        return np.asarray(windows[int(np.argmin(levels))], np.float64)

    def ripple_db(self, bands: Float64, max_slope_db: float = 0.0) -> float:
        """By how much the bands differ from plain noise: 0 for a perfectly even spectrum.

        max_slope_db: by how much the noise may fall in an octave.
        """
        if np.count_nonzero(self.is_noise_band) < 2:
            return np.inf
        excess = (bands - self.noise_shape)[self.is_noise_band]
        if max_slope_db:
            octaves = self.octaves[self.is_noise_band]
            octaves = octaves - octaves.mean()
            slope_db = float(excess @ octaves / (octaves @ octaves))
            excess = excess - np.clip(slope_db, -max_slope_db, 0.0) * octaves
        return float(excess.std())


def noise_shape(spec: MelSpec) -> Float64:
    """(n_mels,) dB: mean log-mel of white noise, for a power of 0 dB at each frequency.

    The power of a band is a weighted sum of chi-square variables with two degrees of freedom; its
    mean logarithm lies below the logarithm of its mean by ln k - digamma(k), where k is the
    effective number of bins (Satterthwaite, Biometrics Bulletin 2, 1946).
    """
    weights = filter_bank(spec).astype(float)
    total = weights.sum(axis=1)
    variance = np.zeros(spec.n_mels)
    for lag, correlation in enumerate(HANN_CORRELATION):
        products = weights[:, lag:] * weights[:, : weights.shape[1] - lag]
        variance += (1 if lag == 0 else 2) * correlation * products.sum(axis=1)
    n_bins = total**2 / variance
    bias = 1 / (2 * n_bins) + 1 / (12 * n_bins**2)
    return np.asarray(10 * np.log10(total) - 10 / np.log(10) * bias)


def _sum_db(bands: Float64, weights: Float64) -> float:
    """10 log10 of the weighted sum of the powers of ``bands`` (n_mels,) dB."""
    power = float(np.power(10.0, np.minimum(bands, 200.0) / 10) @ weights)
    return float(10 * np.log10(max(power, 1e-30)))
