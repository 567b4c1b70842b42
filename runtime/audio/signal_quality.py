"""What the raw samples tell of the microphone: measured before resampling, on a grid of their own.

    samples  |----------------------------------------------------------> as they come, any rate
    seconds  [   SignalQuality   ][   SignalQuality   ][   SignalQuality   ][   SignalQuality   ]         as long as a patch, one each
    pieces   |  |  |  |  |                                                20 ms

The grid begins with the source and does not know its blocks, so that a stream measures what a file does.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..system.arrays import Float32
from .level import SILENCE_DBFS

PIECE = 0.02  # seconds of one and the same value that no sound has
SILENCE_POWER = 10 ** (SILENCE_DBFS / 10)  # mean square, full scale 1
LONGEST_PERIOD = 0.5  # seconds, of a buffer that comes again and again
TONE_LINES, IMPURE = 4, 1e-3  # lines of a period's spectrum, and share of the power beside them
ANCHOR = 64  # samples; no two stretches of real sound are equal in so many
LOUD = 0.005  # of full scale; a peak below it is not clipped
TOP, NEAR = 0.999, 0.99  # of the peak: an unclipped sound is as often near it as at it
CROWDED = 3.0  # times more samples at the peak than near it: a flat top
FEWEST_CLIPPED = 8  # samples a second


@dataclass(frozen=True)
class SignalQuality:
    """The state of a stretch of samples; shares are 0 to 1."""

    silent: float = 0.0  # share that is digital silence; 1 if all of it is below -90 dBFS
    stuck: float = 0.0  # share that is constant otherwise, or repeats what came before
    clipped: float = 0.0  # share at the flat top of clipped peaks


def pooled(seconds: Sequence[SignalQuality]) -> SignalQuality:
    """Of a window: the worst second for what interrupts sound, the mean for what distorts it."""
    clipped = sum(sound.clipped for sound in seconds) / len(seconds)
    return SignalQuality(
        max(sound.silent for sound in seconds), max(sound.stuck for sound in seconds), clipped
    )


def measure(samples: Float32, samplerate: int) -> SignalQuality:
    """samples: (n,), full scale 1."""
    length = round(PIECE * samplerate)
    pieces = samples[: len(samples) // length * length].reshape(-1, length)
    if not len(pieces):
        return SignalQuality()
    high, low = pieces.max(axis=1), pieces.min(axis=1)
    still = high == low
    held = np.count_nonzero(still)
    zero = np.count_nonzero(high[still] == 0) if held else 0
    stuck = float((held - zero) / len(pieces))
    period = 0 if held else _period(samples, samplerate)
    if period and not _is_tone(samples[:period]):
        stuck = 1.0
    peak, least = max(float(high.max()), -float(low.min())), SILENCE_POWER * len(samples)
    quiet = (
        peak**2 < least and float(np.dot(samples, samples)) < least
    )  # the first is quick, and seldom true
    silent = 1.0 if quiet else float(zero / len(pieces))
    if period or peak < LOUD:  # what comes again exactly has its peak again
        return SignalQuality(silent, stuck)
    loudest = pieces[(np.maximum(high, -low) >= NEAR * peak) & ~still]
    return SignalQuality(silent, stuck, _clipped(loudest, peak) / len(samples))


def _period(samples: Float32, samplerate: int) -> int:
    """After how many samples they come again, half of them at least; 0 where they do not."""
    longest = min(round(LONGEST_PERIOD * samplerate), len(samples) // 2 - ANCHOR)
    lags = 1 + (samples[1 : max(1, longest)] == samples[0]).nonzero()[0]
    for k in range(1, ANCHOR):
        if not len(lags):
            return 0
        lags = lags[samples[lags + k] == samples[k]]
    if not len(lags):
        return 0
    lag = int(lags[0])
    return lag if np.mean(samples[lag:] == samples[:-lag]) >= 0.5 else 0


def _is_tone(period: Float32) -> bool:
    """A computed tone comes again, too; a buffer of recorded sound is never so pure."""
    lines = np.sort(np.square(np.abs(np.fft.rfft(period))))
    return bool(lines[:-TONE_LINES].sum() < IMPURE * lines.sum())


def _clipped(samples: Float32, peak: float) -> int:
    """How many samples form a flat top; 0 where they are as rare as a peak is."""
    sizes = np.abs(samples)
    top = np.count_nonzero(sizes >= TOP * peak)
    flat = top >= FEWEST_CLIPPED and top > CROWDED * (np.count_nonzero(sizes >= NEAR * peak) - top)
    return int(top) if flat else 0


class QualityMeter:
    """Blocks of any size in, one `SignalQuality` for each stretch of ``seconds`` out, in their order."""

    def __init__(self, samplerate: int, seconds: float) -> None:
        self._samplerate, self._step = samplerate, seconds * samplerate
        self._buffer = np.empty(int(self._step) + 1, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard, as after a gap."""
        self._held, self._count = 0, 0
        self._measured: deque[SignalQuality] = deque()

    def push(self, block: Float32) -> None:
        """A block (n,), full scale 1."""
        while len(block):
            part = block[: self._length() - self._held]
            self._buffer[self._held : self._held + len(part)] = part
            self._held, block = self._held + len(part), block[len(part) :]
            if self._held == self._length():
                self._measured.append(self._measure())
                self._held, self._count = 0, self._count + 1

    def _length(self) -> int:
        """Samples of the stretch that is being heard; where it is no whole number, its neighbours make up for it."""
        return round((self._count + 1) * self._step) - round(self._count * self._step)

    def _measure(self) -> SignalQuality:
        return measure(self._buffer[: self._held], self._samplerate)

    def take(self) -> list[SignalQuality]:
        """The next stretch, if it is complete."""
        return [self._measured.popleft()] if self._measured else []

    def rest(self) -> list[SignalQuality]:
        """What has not been taken at the end of the source; the last stretch counts for as much as there is of it."""
        if not self._held:
            return list(self._measured)
        last, share = self._measure(), self._held / self._length()
        return [
            *self._measured,
            SignalQuality(last.silent * share, last.stuck * share, last.clipped * share),
        ]
