"""Which frequencies moved, and how: a range of bands in Hz, a change in dB, steady or impulsive.

Most faults hardly move the mean level of a band: they change how much it varies over time and how
much it jumps from frame to frame, and the place, the load and the gain of the microphone move the
mean by more. So a range is not looked for where the mean moved most, but where a change **of that
range alone** explains most of the distance from this machine's normal. What a change of a range
does
to the features of a window (`edgeae.runtime.scoring.head`) has three columns,

    mean     one dB in each of its bands
    spread   its share of the cosine coefficients, in ln of the standard deviation over time
    change   the same, in ln of the jumps from frame to frame

and by generalised least squares under the covariance C of normal windows they explain

    |Q' L^-1 (f - mean)|^2        C = L L', Q an orthonormal basis of the range's whitened columns

(the matched subspace detector of Scharf and Friedlander, IEEE Trans. Signal Processing 42, 1994).
Common movements of all bands are large in C and cost nothing. The range that explains most is
named,
its part is taken away, and what is left is searched again.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..features.mel import MelSpec, band_edges
from ..system.arrays import Float64
from .head import Head
from .window_features import smooth_basis

OCTAVES = (
    1 / 3,
    1 / 2,
    3 / 4,
    1,
    3 / 2,
    2,
)  # widths of the ranges that are tried; narrower ones the smoothing blurs
STANDS_OUT = 6.0  # normal deviations, in root mean square, from which a range has moved
SHARE = 0.25  # of what the first range explains, for another to be named
MOST_RANGES = 3
LEAST_DB = 0.5  # that can be heard

Change = Literal["steady", "impulsive", "fluctuating"]


@dataclass(frozen=True)
class Moved:
    """A range of frequencies that is not as normal."""

    low_hz: float
    high_hz: float
    change_db: float  # louder or quieter, beyond what place, load and gain explain
    kind: Change
    spread_ratio: float  # variation of its level over time against normal, 1 is as normal
    jump_ratio: float  # change of its level from frame to frame against normal

    def sentence(self) -> str:
        """``2.1 to 4.3 kHz: 3.2 dB louder, impulsive (knocks, rubbing or a beat; ...)``."""
        loudness = f"{abs(self.change_db):.1f} dB {'louder' if self.change_db > 0 else 'quieter'}"
        how = {
            "steady": "steady",
            "impulsive": "impulsive (knocks, rubbing or a beat; "
            f"jumps {self.jump_ratio:.1f} times as much as normal)",
            "fluctuating": f"fluctuating ({self.spread_ratio:.1f} times as much as normal)",
        }[self.kind]
        if abs(self.change_db) < LEAST_DB:
            loudness = "as loud"
        return f"{_hertz(self.low_hz, self.high_hz)}: {loudness}, {how}"


@dataclass(frozen=True)
class Explanation:
    """What moved, the largest first, and whether everything else is as normal."""

    moved: list[Moved]
    rest_is_normal: bool

    def sentence(self, when: str) -> str:
        """For a mechanic; ``when`` is such as ``since 12 s``."""
        if not self.moved:
            return (
                f"no range of frequencies stands out, {when}: the sound as a whole is not as normal"
            )
        rest = "the rest is as normal" if self.rest_is_normal else "the rest differs less"
        return f"{'; '.join(range_.sentence() for range_ in self.moved)}, {when}; {rest}"


class Explainer:
    """Finds what moved, against the normal of one head."""

    def __init__(self, spec: MelSpec, head: Head, band_std: Float64) -> None:
        """band_std: (n_mels,) dB that one unit of the mean of a band stands for."""
        self._low, self._high = _ranges(spec)
        centres = band_edges(spec)[1:-1]
        inside = (centres >= self._low[:, None]) & (
            centres <= self._high[:, None]
        )  # (n_ranges, n_mels)
        self._whiten = _whitening(head, spec.n_mels + 2 * (spec.n_mels // 4))
        self._mean = head.mean
        self._columns = _columns(inside.astype(float), band_std) @ self._whiten  # (n_ranges, 3, n)
        self._basis = np.linalg.qr(self._columns.transpose(0, 2, 1))[0]  # (n_ranges, n, 3)

    def explain(self, features: Float64) -> Explanation:
        """Why a window with these features (size,) is not as normal."""
        n = len(self._whiten)
        deviation = (features - self._mean)[1 : 1 + n] @ self._whiten
        left = deviation
        named = list[int]()
        first = 0.0
        least = 3 * STANDS_OUT**2
        while True:
            explained = np.square(np.einsum("kni,n->ki", self._basis, left)).sum(axis=1)
            explained[self._touching(named)] = 0
            best = int(np.argmax(explained))
            first = first or float(explained[best])
            if explained[best] < max(least, SHARE * first) or len(named) == MOST_RANGES:
                break
            named.append(best)
            columns = np.concatenate(self._columns[named])  # (3 * n_named, n)
            amounts: Float64 = np.asarray(
                np.linalg.lstsq(columns.T, deviation, rcond=None)[0], np.float64
            )
            left = deviation - amounts @ columns
        if not named:
            return Explanation([], rest_is_normal=False)
        sure = amounts / np.sqrt(np.diag(np.linalg.pinv(columns @ columns.T)))  # in standard errors
        ranges = zip(named, amounts.reshape(-1, 3), sure.reshape(-1, 3), strict=True)
        moved = [self._moved(range_, amount, how_sure) for range_, amount, how_sure in ranges]
        return Explanation(moved, bool(explained[best] < least))

    def _touching(self, named: list[int]) -> Float64:
        """(n_ranges,) whether a range overlaps one of those named."""
        over = (self._low[:, None] < self._high[named]) & (self._high[:, None] > self._low[named])
        return np.asarray(over.any(axis=1))

    def _moved(self, range_: int, amounts: Float64, sure: Float64) -> Moved:
        change_db, spread, jumps = amounts
        return Moved(
            round(float(self._low[range_])),
            round(float(self._high[range_])),
            round(float(change_db), 1),
            _kind(amounts, sure),
            round(float(np.exp(spread)), 2),
            round(float(np.exp(jumps)), 2),
        )


def _kind(amounts: Float64, sure: Float64) -> Change:
    """What varies faster than a frame jumps as much as it spreads; what varies slowly does not
    jump."""
    if abs(sure[0]) > sure[1:].max():
        return "steady"
    return "impulsive" if amounts[2] > 0.5 * amounts[1] else "fluctuating"


def _ranges(spec: MelSpec) -> tuple[Float64, Float64]:
    """(n_ranges,) Hz: where the ranges that are tried begin and end, each with a band's centre
    at least."""
    centres = band_edges(spec)[1:-1]
    bottom = np.log2(centres[0])
    top = np.log2(spec.f_max)
    low = [np.arange(bottom, top - width + 1e-9, width / 4) for width in OCTAVES]
    high = [starts + width for starts, width in zip(low, OCTAVES, strict=True)]
    ends = 2 ** np.concatenate(low), 2 ** np.concatenate(high)
    held = np.searchsorted(centres, ends[1], "right") - np.searchsorted(centres, ends[0])
    return ends[0][held > 0], ends[1][held > 0]


def _columns(inside: Float64, band_std: Float64) -> Float64:
    """(n_ranges, n_mels) -> (n_ranges, 3, n): how a change of each range moves the input's
    features."""
    smooth = inside @ smooth_basis(inside.shape[1])
    none = np.zeros_like(inside)
    still = np.zeros_like(smooth)
    parts = [(inside / band_std, still, still), (none, smooth, still), (none, still, smooth)]
    return np.stack([np.concatenate(part, axis=1) for part in parts], axis=1)


def _whitening(head: Head, n: int) -> Float64:
    """(n, n): projects the input's deviations so that those of normal windows have the
    covariance 1."""
    learned = 1 + 1 / max(
        1, head.windows
    )  # the machine's mean itself is only as good as its windows
    factor = np.linalg.cholesky(learned * head.covariance(0))
    return np.asarray(np.linalg.inv(factor).T / head.fleet.within_std[1 : 1 + n, None])


def _hertz(low: float, high: float) -> str:
    """``250 to 540 Hz``, ``0.68 to 1.9 kHz``."""
    if high < 1000:
        return f"{_two_digits(low)} to {_two_digits(high)} Hz"
    return f"{_two_digits(low / 1000)} to {_two_digits(high / 1000)} kHz"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
