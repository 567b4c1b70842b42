"""Explains a window: which ranges of frequencies changed, by how many dB, steadily or in impulses.

Most faults hardly change the mean level of a band. They change how much the level varies over time
and how much it jumps from frame to frame; the place and gain of the microphone and the load of the
machine change the mean by more. So the explainer does not search where the mean changed most, but
where a change **of that range alone** explains most of the distance from this machine's normal
sound. The effect of a range on the features of a window (`edgeae.runtime.scoring.head`) has three
columns,

    mean     one dB in each of its bands
    spread   its share of the cosine coefficients, in ln of the standard deviation over time
    change   the same, in ln of the jumps from frame to frame

and by generalised least squares under the covariance C of normal windows they explain

    |Q' L^-1 (f - mean)|^2        C = L L', Q an orthonormal basis of the range's whitened columns

(the matched subspace detector of Scharf and Friedlander, IEEE Trans. Signal Processing 42, 1994).
Changes that all bands share have a large variance in C, so they explain little. The range that
explains most is reported, its part is subtracted, and the remainder is searched again.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..features.mel import MelSpec, band_edges
from ..model.sections import MASKED_BAND_STD_DB
from ..system.arrays import Float64
from .head import Head
from .views import INPUT
from .window_features import smooth_basis

# Widths of the ranges that are tried; the smoothing of the features blurs narrower ones.
RANGE_WIDTHS_OCTAVES = (1 / 3, 1 / 2, 3 / 4, 1, 3 / 2, 2)
# A range has changed from this root mean square of its deviations, in standard deviations.
MIN_DEVIATION_RMS = 6.0
# A further range is reported if it explains at least this share of what the first explains.
MIN_SHARE_OF_FIRST = 0.25
MAX_RANGES = 3
MIN_AUDIBLE_CHANGE_DB = 0.5
# Both the measured change of a range and that beyond gain and load are named if they differ by more
MIN_DIFFERENCE_DB = 1.0
NORMAL_AGAIN = "normal again"

Change = Literal["steady", "impulsive", "fluctuating"]


@dataclass(frozen=True)
class Moved:
    """A range of frequencies that differs from this machine's normal sound."""

    low_hz: float
    high_hz: float
    change_db: float  # louder or quieter, beyond what place, load and gain explain
    kind: Change
    spread_ratio: float  # variation of its level over time against normal, 1 is as normal
    jump_ratio: float  # change of its level from frame to frame against normal
    level_db: float | None = None  # louder or quieter, as measured; None: not known

    def sentence(self) -> str:
        """``2.1 to 4.3 kHz: 3.2 dB louder, impulsive (knocks, rubbing or a beat; ...)``."""
        kind = {
            "steady": "steady",
            "impulsive": "impulsive (knocks, rubbing or a beat; "
            f"jumps {self.jump_ratio:.1f} times as much as normal)",
            "fluctuating": f"fluctuating ({self.spread_ratio:.1f} times as much as normal)",
        }[self.kind]
        return f"{hertz(self.low_hz, self.high_hz)}: {self._loudness()}, {kind}"

    def _loudness(self) -> str:
        """How loud the range is, and how much of that gain and load explain, where they do."""
        if self.level_db is None:
            return _louder(self.change_db)
        differs = abs(self.change_db - self.level_db) > MIN_DIFFERENCE_DB
        if not differs or abs(self.change_db) < MIN_AUDIBLE_CHANGE_DB:
            return _louder(self.level_db)
        explained_db = self.level_db - self.change_db
        return f"{_louder(self.level_db)} (gain and load explain {_louder(explained_db)})"


@dataclass(frozen=True)
class Explanation:
    """The ranges that changed, the largest change first, and whether the rest is normal."""

    moved: list[Moved]
    rest_is_normal: bool

    def sentence(self, when: str) -> str:
        """One sentence for a mechanic; when: such as ``for 12 s``."""
        if not self.moved:
            return (
                f"no range of frequencies stands out, {when}: the sound as a whole is not as normal"
            )
        rest = "the rest is as normal" if self.rest_is_normal else "the rest differs less"
        return f"{'; '.join(range_.sentence() for range_ in self.moved)}, {when}; {rest}"

    def while_it_lasts(self, seconds: float) -> str:
        """The sentence of an event ``seconds`` after the change began.

        It is read later, too, so it counts from the event, whose time is shown beside it.
        """
        return self.sentence(f"began {_duration(seconds)} before this event")

    def that_lasted(self, seconds: float) -> str:
        """The sentence of a change that lasted ``seconds``."""
        return self.sentence(f"for {_duration(seconds)}")

    def when_over(self, seconds: float, reason: str = NORMAL_AGAIN) -> str:
        """The sentence of the end of a change that lasted ``seconds``. reason: why it is over."""
        return f"{reason}; it was: {self.that_lasted(seconds)}"


class Explainer:
    """Compares windows with the normal sound of one machine."""

    def __init__(self, spec: MelSpec, head: Head, band_std: Float64) -> None:
        """band_std: (n_mels,) dB that one unit of the mean of a band stands for."""
        self._low, self._high = _ranges(spec)
        centres = band_edges(spec)[1:-1]
        above_low = centres >= self._low[:, None]
        below_high = centres <= self._high[:, None]
        inside = above_low & below_high  # (n_ranges, n_mels)
        self._whiten = _whitening(head)
        self._mean = head.mean
        self._n_mean_windows = head.windows
        # Of a masked band, whose level is not known, no change is measured.
        has_level = inside & (band_std < MASKED_BAND_STD_DB)
        self._band_shares = (
            has_level / np.maximum(has_level.sum(axis=1, keepdims=True), 1) * band_std
        )
        self._columns = _columns(inside.astype(float), band_std) @ self._whiten  # (n_ranges, 3, n)
        self._basis = np.linalg.qr(self._columns.transpose(0, 2, 1))[0]  # (n_ranges, n, 3)

    def explain(self, features: Float64, n_windows: float = 1.0) -> Explanation:
        """Which ranges make sound abnormal.

        features: (n_features,) of a window, or their mean over several.
        n_windows: how many windows that do not overlap are behind it.
        """
        n = len(self._whiten)
        deviation = (features - self._mean)[1 : 1 + n] @ self._whiten
        remainder = deviation
        chosen = list[int]()
        first = 0.0
        # Each range has three columns.
        min_explained = 3 * MIN_DEVIATION_RMS**2 * self._noise(n_windows)
        while True:
            explained = np.square(np.einsum("kni,n->ki", self._basis, remainder)).sum(axis=1)
            explained[self._overlapping(chosen)] = 0
            best = int(np.argmax(explained))
            first = first or float(explained[best])
            is_small = explained[best] < max(min_explained, MIN_SHARE_OF_FIRST * first)
            if is_small or len(chosen) == MAX_RANGES:
                break
            chosen.append(best)
            columns = np.concatenate(self._columns[chosen])  # (3 * n_chosen, n)
            amounts: Float64 = np.asarray(
                np.linalg.lstsq(columns.T, deviation, rcond=None)[0], np.float64
            )
            remainder = deviation - amounts @ columns
        if not chosen:
            return Explanation([], rest_is_normal=False)
        standard_errors = np.sqrt(np.diag(np.linalg.pinv(columns @ columns.T)))
        significance = amounts / standard_errors
        ranges = zip(chosen, amounts.reshape(-1, 3), significance.reshape(-1, 3), strict=True)
        levels = self._band_shares @ (features - self._mean)[1 : 1 + self._band_shares.shape[1]]
        moved = [self._moved(*range_, float(levels[range_[0]])) for range_ in ranges]
        return Explanation(moved, rest_is_normal=bool(explained[best] < min_explained))

    def _noise(self, n_windows: float) -> float:
        """The variance of a mean over windows, as a share of that of one window."""
        behind_mean = max(1, self._n_mean_windows)
        return (1 / n_windows + 1 / behind_mean) / (1 + 1 / behind_mean)

    def _overlapping(self, chosen: list[int]) -> Float64:
        """(n_ranges,) True for a range that overlaps one of those chosen."""
        starts_before = self._low[:, None] < self._high[chosen]
        ends_after = self._high[:, None] > self._low[chosen]
        return np.asarray((starts_before & ends_after).any(axis=1))

    def _moved(
        self, range_: int, amounts: Float64, significance: Float64, level_db: float
    ) -> Moved:
        """What is reported of a range.

        amounts: (3,) of the columns.
        significance: (3,) the same in standard errors.
        level_db: mean change of its bands.
        """
        change_db, spread, jumps = amounts
        return Moved(
            round(float(self._low[range_])),
            round(float(self._high[range_])),
            round(float(change_db), 1),
            _kind(amounts, significance),
            round(float(np.exp(spread)), 2),
            round(float(np.exp(jumps)), 2),
            round(level_db, 1),
        )


def _kind(amounts: Float64, significance: Float64) -> Change:
    """The kind of a change.

    A level that varies faster than a frame jumps as much as it spreads; one that varies slowly
    does not jump.
    """
    if abs(significance[0]) > significance[1:].max():
        return "steady"
    return "impulsive" if amounts[2] > 0.5 * amounts[1] else "fluctuating"


def _ranges(spec: MelSpec) -> tuple[Float64, Float64]:
    """(n_ranges,) Hz: the low and high ends of the ranges that are tried.

    Each range contains the centre of at least one band.
    """
    centres = band_edges(spec)[1:-1]
    bottom = np.log2(centres[0])
    top = np.log2(spec.f_max)
    low = [np.arange(bottom, top - width + 1e-9, width / 4) for width in RANGE_WIDTHS_OCTAVES]
    high = [starts + width for starts, width in zip(low, RANGE_WIDTHS_OCTAVES, strict=True)]
    low_hz = 2 ** np.concatenate(low)
    high_hz = 2 ** np.concatenate(high)
    n_centres = np.searchsorted(centres, high_hz, "right") - np.searchsorted(centres, low_hz)
    return low_hz[n_centres > 0], high_hz[n_centres > 0]


def _columns(inside: Float64, band_std: Float64) -> Float64:
    """(n_ranges, n_mels) -> (n_ranges, 3, n): the effect of each range on the input's features."""
    smooth = inside @ smooth_basis(inside.shape[1])
    no_mean = np.zeros_like(inside)
    no_smooth = np.zeros_like(smooth)
    parts = [
        (inside / band_std, no_smooth, no_smooth),
        (no_mean, smooth, no_smooth),
        (no_mean, no_smooth, smooth),
    ]
    return np.stack([np.concatenate(part, axis=1) for part in parts], axis=1)


def _whitening(head: Head) -> Float64:
    """(n, n): maps deviations of the input's features so that normal windows have covariance 1."""
    # The machine's mean is itself an estimate, from head.windows windows.
    mean_uncertainty = 1 + 1 / max(1, head.windows)
    factor = np.linalg.cholesky(mean_uncertainty * head.covariance(INPUT))
    return np.asarray(
        np.linalg.inv(factor).T / head.fleet.within_std[head.fleet.sources[INPUT], None]
    )


def _louder(change_db: float) -> str:
    """``3.2 dB louder``; ``as loud`` for a change that nobody can hear."""
    if abs(change_db) < MIN_AUDIBLE_CHANGE_DB:
        return "as loud"
    return f"{abs(change_db):.1f} dB {'louder' if change_db > 0 else 'quieter'}"


def _duration(seconds: float) -> str:
    """``63 s``, ``12 min``, ``5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def hertz(low: float, high: float) -> str:
    """``250 to 540 Hz``, ``0.68 to 1.9 kHz``."""
    if high < 1000:
        return f"{_two_digits(low)} to {_two_digits(high)} Hz"
    return f"{_two_digits(low / 1000)} to {_two_digits(high / 1000)} kHz"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
