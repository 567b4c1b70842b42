"""What log-mel spectrograms tell of recordings: their levels by band, up to where they have sound, and copies.

A fingerprint is a coarse picture of how the spectrum moves in the first 1.1 s: does a group of bands gain on the
next higher one, or lose (Haitsma and Kalker, A highly robust audio fingerprinting system, ISMIR 2002)? Gain, sample
rate and coding hardly change it. Two recordings of a machine agree in half of the bits, as coins do; copies that
begin at the same moment in nearly all. A copy that begins elsewhere is not found.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.resample import PASSBAND
from edgeae.runtime.features.bandwidth import BELOW_BANDS, MIN_DROP_DB, find_step_down
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

SPEC = MelSpec()
CENTRES = band_edges(SPEC)[1:-1]  # (n_mels,) Hz

LEVELS = np.arange(SPEC.floor_db, 61.0)  # dB, edges of the bins in which frames are counted

EDGES = (500.0, 6000.0)  # Hz, between which an edge is looked for

GROUP, GROUPS = 7, 17  # bands, from the lowest on; those above a resampler's passband are left out
STEPS, LAG = (
    32,
    2,
)  # frames; with a lag of two, none shares a sample with the one it is compared with
EVEN = (0.25, 0.75)  # share of ones; beyond, nothing moves: silence, a computed tone
ALIKE = 0.25  # share of the bits that differ, at most, between copies
ROWS = 8  # fingerprints that are compared with all at once: they stay in the cache

WORDS = STEPS * (GROUPS - 1) // 64  # of a fingerprint
Words = NDArray[np.uint64]  # (WORDS, n), n fingerprints


class BandLevels:
    """The distribution of the level of each band over all frames of a group of recordings, to one dB."""

    def __init__(self) -> None:
        self.counts = np.zeros((SPEC.n_mels, len(LEVELS) - 1), np.int64)

    def add(self, frames: Float32) -> None:
        """frames: (n_frames, n_mels), dB."""
        bins = np.clip(frames - LEVELS[0], 0, len(LEVELS) - 2).astype(np.intp)
        flat = (bins + np.arange(SPEC.n_mels) * (len(LEVELS) - 1)).ravel()
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def quantile(self, share: float) -> NDArray[np.float64]:
        """(n_mels,) dB: the level below which each band is in this share of the frames."""
        below = np.cumsum(self.counts, axis=1)
        return np.asarray(LEVELS[np.argmax(below >= share * below[:, -1:], axis=1)] + 0.5)


def bandwidth(levels: NDArray[np.floating[Any]]) -> float | None:
    """Hz above which there is no sound, of mean levels (n_mels,) in dB; None for sound up to the top.

    An edge is steeper than any machine's sound: a low-pass, a lower sample rate, a lossy codec.
    """
    top = int(
        np.searchsorted(CENTRES, PASSBAND * SPEC.sample_rate / 2)
    )  # above, a resampler leaves what it likes
    first, last = (int(k) for k in np.searchsorted(CENTRES, EDGES))
    step = find_step_down(np.asarray(levels, np.float64), range(first, last), top, _quiet_quarter)
    return round(float(CENTRES[step.band]), -2) if step.drop_db >= MIN_DROP_DB else None


def _quiet_quarter(below: Float64) -> Float64:
    """(n,) dB: the level that a quarter of the bands below an edge does not reach."""
    return np.asarray(np.sort(below, axis=1)[:, BELOW_BANDS // 4])


def fingerprint(frames: Float32) -> bytes | None:
    """64 bytes of the first frames (n_frames, n_mels) in dB; None where they are too few or nothing moves."""
    if len(frames) < STEPS + LAG:
        return None
    groups = frames[: STEPS + LAG, : GROUP * GROUPS].reshape(-1, GROUPS, GROUP).mean(axis=2)
    slopes = np.diff(groups, axis=1)  # (STEPS + LAG, GROUPS - 1) dB
    bits = slopes[LAG:] > slopes[:-LAG]
    return np.packbits(bits).tobytes() if EVEN[0] <= bits.mean() <= EVEN[1] else None


def distances(prints: Words, others: Words) -> NDArray[np.float64]:
    """(n, m) share of the bits in which (WORDS, n) differ from (WORDS, m): 0 for copies, about .5 for other sound."""
    differing = np.zeros((prints.shape[1], others.shape[1]), np.uint16)
    for word, other in zip(prints, others, strict=True):
        differing += np.bitwise_count(word[:, None] ^ other)
    return np.asarray(differing / (64 * WORDS))


def copies(prints: Sequence[bytes | None]) -> list[list[int]]:
    """Groups of positions whose fingerprints are alike, each with two members or more."""
    known = [i for i, found in enumerate(prints) if found]
    words = (
        np.frombuffer(b"".join(found for found in prints if found), np.uint64).reshape(-1, WORDS).T
    )
    first = {i: i for i in known}  # of the group that i belongs to, so far
    for start in range(0, len(known), ROWS):
        near = distances(words[:, start : start + ROWS], words[:, start:]) <= ALIKE
        for row, column in np.argwhere(np.triu(near, 1)):
            _join(first, known[start + row], known[start + column])
    groups = defaultdict(list)
    for i in known:
        groups[_root(first, i)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _root(first: dict[int, int], i: int) -> int:
    while first[i] != i:
        i = first[i]
    return i


def _join(first: dict[int, int], i: int, j: int) -> None:
    low, high = sorted((_root(first, i), _root(first, j)))
    first[high] = low
