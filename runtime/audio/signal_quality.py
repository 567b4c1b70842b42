"""The quality of raw samples: silence, stuck samples, clipping; measured before resampling.

    samples  |----------------------------------------------------------> in blocks of any size
    grid     [ SignalQuality ][ SignalQuality ][ SignalQuality ][ Signal   each as long as a patch
    pieces   |  |  |  |  |                                                20 ms

The grid begins with the source and does not depend on its blocks, so a stream measures the same as
a file.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..system.arrays import Float32
from .level import SILENCE_DBFS, without_offset

PIECE_SECONDS = 0.02  # no sound has one and the same value for so long
SILENCE_POWER = 10 ** (SILENCE_DBFS / 10)  # mean square, full scale 1

MAX_PERIOD_SECONDS = 0.5  # of a buffer that is repeated
MATCH_SAMPLES = 64  # no two stretches of real sound are equal in so many
MIN_MATCH_SHARE = 0.5  # of the samples that equal those a period before
TONE_LINES = 4  # of the spectrum of a period of a computed tone
MAX_TONE_IMPURITY = 1e-3  # share of the power beside these lines

MIN_CLIPPED_PEAK = 0.005  # full scale 1; a lower peak is not clipped
TOP_RATIO = 0.999  # of the peak: samples from here on are at the top
NEAR_RATIO = 0.99  # of the peak: samples from here on are near it
MIN_TOP_RATIO = 3.0  # of samples at the top to samples near it, in a flat top
MIN_CLIPPED_SAMPLES = 8  # of a second


@dataclass(frozen=True)
class SignalQuality:
    """The quality of a stretch of samples; shares are 0 to 1."""

    silent: float = 0.0  # share that is digital silence; 1 if all of it is below -90 dBFS
    stuck: float = 0.0  # share that is constant otherwise, or repeats what came before
    clipped: float = 0.0  # share at the flat top of clipped peaks

    def scaled(self, share: float) -> "SignalQuality":
        """The same, counted for ``share`` of its length."""
        return SignalQuality(self.silent * share, self.stuck * share, self.clipped * share)


def pooled(seconds: Sequence[SignalQuality]) -> SignalQuality:
    """The quality of a window of one or more stretches.

    The worst stretch for what interrupts sound, the mean for what distorts it.
    """
    return SignalQuality(
        silent=max(second.silent for second in seconds),
        stuck=max(second.stuck for second in seconds),
        clipped=sum(second.clipped for second in seconds) / len(seconds),
    )


def measure_quality(samples: Float32, samplerate: int) -> SignalQuality:
    """The quality of about a second of ``samples`` (n,), full scale 1; samplerate: Hz."""
    length = round(PIECE_SECONDS * samplerate)
    pieces = samples[: len(samples) // length * length].reshape(-1, length)
    if not len(pieces):
        return SignalQuality()
    constant = _constant(pieces)
    n_constant = np.count_nonzero(constant)
    n_zero = np.count_nonzero(pieces[constant, 0] == 0) if n_constant else 0
    stuck = float((n_constant - n_zero) / len(pieces))
    period = 0 if n_constant else _period(samples, samplerate)
    if period and not _is_tone(samples[:period]):
        stuck = 1.0
    in_pieces = samples[: pieces.size]
    highest = float(np.maximum.reduce(in_pieces))
    lowest = float(np.minimum.reduce(in_pieces))
    peak = max(highest, -lowest)
    silent = float(n_zero / len(pieces))
    if _is_silent(samples, highest - lowest) and (stuck < 1 or peak**2 < SILENCE_POWER):
        silent = 1.0
    if period or peak < MIN_CLIPPED_PEAK:  # in a repeated period the peak is repeated, too
        return SignalQuality(silent, stuck)
    varying = pieces[~constant] if n_constant else in_pieces
    return SignalQuality(silent, stuck, _clipped(varying, peak) / len(samples))


def _constant(pieces: Float32) -> NDArray[np.bool_]:
    """(n_pieces,) whether all samples of a piece (n_pieces, length) are equal."""
    first = pieces[:, 0]
    # Quick: few pieces of sound end with the sample with which they began.
    constant = first == pieces[:, -1]
    for k in constant.nonzero()[0]:
        constant[k] = (pieces[k] == first[k]).all()
    return np.asarray(constant)


def _is_silent(samples: Float32, swing: float) -> bool:
    """True if the level is below -90 dBFS, whatever their constant offset.

    swing: from the lowest to the highest sample.
    """
    max_squares = SILENCE_POWER * len(samples)
    if swing**2 / 2 >= max_squares:  # quick, and almost always true
        return False
    sound = without_offset(samples)
    return float(np.dot(sound, sound)) < max_squares


def _period(samples: Float32, samplerate: int) -> int:
    """The number of samples after which at least half of them are repeated; 0 if they are not."""
    max_period = round(MAX_PERIOD_SECONDS * samplerate)
    longest = min(max_period, len(samples) // 2 - MATCH_SAMPLES)
    lags = 1 + (samples[1 : max(1, longest)] == samples[0]).nonzero()[0]
    for k in range(1, MATCH_SAMPLES):
        if not len(lags):
            return 0
        lags = lags[samples[lags + k] == samples[k]]
    if not len(lags):
        return 0
    lag = int(lags[0])
    return lag if np.mean(samples[lag:] == samples[:-lag]) >= MIN_MATCH_SHARE else 0


def _is_tone(period: Float32) -> bool:
    """True for a computed tone, which is repeated, too; recorded sound is never so pure."""
    power = np.sort(np.square(np.abs(np.fft.rfft(period))))
    return bool(power[:-TONE_LINES].sum() < MAX_TONE_IMPURITY * power.sum())


def _clipped(samples: Float32, peak: float) -> int:
    """The number of samples in a flat top; 0 if the peak is as rare as that of unclipped sound."""
    amplitudes = np.abs(samples)
    n_top = int(np.count_nonzero(amplitudes >= TOP_RATIO * peak))
    if n_top < MIN_CLIPPED_SAMPLES:
        return 0
    n_near = int(np.count_nonzero(amplitudes >= NEAR_RATIO * peak)) - n_top
    return n_top if n_top > MIN_TOP_RATIO * n_near else 0


class Stretches:
    """Cuts the blocks of one source into stretches, from its start or its last gap on.

    The lengths are rounded so that they add up.
    """

    def __init__(self, n_samples: float) -> None:
        """n_samples: of a stretch; need not be a whole number."""
        self._n_samples = n_samples
        self._buffer = np.empty(int(n_samples) + 1, np.float32)
        self._n_buffered = 0
        self._n_cut = 0

    def push(self, block: Float32) -> Iterator[Float32]:
        """Yield the stretches that a block (n,) completes; each is valid until the next."""
        while len(block):
            length = self.length
            if not self._n_buffered and len(block) >= length:
                self._n_cut += 1
                yield block[:length]
                block = block[length:]
                continue
            n_new = min(len(block), length - self._n_buffered)
            end = self._n_buffered + n_new
            self._buffer[self._n_buffered : end] = block[:n_new]
            self._n_buffered = end
            block = block[n_new:]
            if self._n_buffered == length:
                self._n_buffered = 0
                self._n_cut += 1
                yield self._buffer[:length]

    @property
    def length(self) -> int:
        """Samples of the present stretch."""
        start = round(self._n_cut * self._n_samples)
        return round((self._n_cut + 1) * self._n_samples) - start

    @property
    def rest(self) -> Float32:
        """(n,) the samples of the incomplete stretch."""
        return self._buffer[: self._n_buffered]

    def reset(self) -> None:
        """Forget the samples before a gap."""
        self._n_buffered = 0
        self._n_cut = 0


class QualityMeter:
    """Measures blocks of any size: one `SignalQuality` for each stretch of ``seconds``."""

    def __init__(self, samplerate: int, seconds: float) -> None:
        """samplerate: Hz; seconds: of a stretch, about one."""
        self._samplerate = samplerate
        self._stretches = Stretches(seconds * samplerate)
        self._measured: deque[SignalQuality] = deque()

    def reset(self) -> None:
        """Forget the samples before a gap."""
        self._stretches.reset()
        self._measured.clear()

    def push(self, block: Float32) -> None:
        """Add a block (n,), full scale 1."""
        for stretch in self._stretches.push(block):
            self._measured.append(measure_quality(stretch, self._samplerate))

    def pop(self) -> list[SignalQuality]:
        """The next stretch that is complete, if any."""
        return [self._measured.popleft()] if self._measured else []

    def flush(self) -> list[SignalQuality]:
        """The last stretches of the source; an incomplete one counts for its share."""
        rest = self._stretches.rest
        if not len(rest):
            return list(self._measured)
        share = len(rest) / self._stretches.length
        incomplete = measure_quality(rest, self._samplerate)
        return [*self._measured, incomplete.scaled(share)]
