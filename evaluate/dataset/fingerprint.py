"""Acoustic fingerprints: two recordings of the same sound have nearly the same bits.

A fingerprint describes how the spectrum changes in the first 1.1 s: does the difference between a
group of bands and the next higher group grow or shrink? (Haitsma and Kalker, A highly robust audio
fingerprinting system, ISMIR 2002.) Gain, sample rate and coding hardly change it. Different
recordings agree in half of the bits, as by chance; copies that begin at the same moment agree in
nearly all. A copy that begins elsewhere in the recording is not found.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.system.arrays import Float32, Float64

BANDS_PER_GROUP = 7
N_GROUPS = 17  # from the lowest band on; the bands above a resampler's passband are left out
N_STEPS = 32  # frames that are compared with an earlier one
LAG_FRAMES = 2  # between the two: they have no sample in common
N_FRAMES = N_STEPS + LAG_FRAMES  # of a recording that decide its fingerprint
# Share of ones. Beyond, nothing changes over time: silence, a computed tone.
MIN_ONES_SHARE = 0.25
MAX_ONES_SHARE = 0.75
MAX_COPY_DISTANCE = 0.25  # share of the bits that differ between copies

BITS_PER_WORD = 64
N_WORDS = N_STEPS * (N_GROUPS - 1) // BITS_PER_WORD  # of a fingerprint
ROWS_PER_BLOCK = 8  # fingerprints compared with all others at once: they stay in the cache

Words = NDArray[np.uint64]  # (N_WORDS, n), n fingerprints


def fingerprint(frames: Float32) -> bytes | None:
    """64 bytes; None for fewer than N_FRAMES frames, or where nothing changes over time.

    frames: (n_frames, n_mels), dB, from the start of the recording
    """
    if len(frames) < N_FRAMES:
        return None
    bands = frames[:N_FRAMES, : BANDS_PER_GROUP * N_GROUPS]
    groups = bands.reshape(N_FRAMES, N_GROUPS, BANDS_PER_GROUP).mean(axis=2)
    slopes = np.diff(groups, axis=1)  # (N_FRAMES, N_GROUPS - 1), dB
    bits = slopes[LAG_FRAMES:] > slopes[:-LAG_FRAMES]
    if not MIN_ONES_SHARE <= bits.mean() <= MAX_ONES_SHARE:
        return None
    return np.packbits(bits).tobytes()


def distances(prints: Words, others: Words) -> Float64:
    """(n, m) share of the bits that differ: 0 for copies, about .5 for different sound.

    prints: (N_WORDS, n)
    others: (N_WORDS, m)
    """
    n_different = np.zeros((prints.shape[1], others.shape[1]), np.uint16)
    for word, other in zip(prints, others, strict=True):
        n_different += np.bitwise_count(word[:, None] ^ other)
    return np.asarray(n_different / (BITS_PER_WORD * N_WORDS))


def similar_groups(prints: Sequence[bytes | None]) -> list[list[int]]:
    """Groups of two positions or more whose fingerprints are those of copies; None belongs to no
    group.

    A group holds all that are similar to any other of its members (union-find; SciPy's connected
    components would do, but `edgeae inspect` runs on the base install).
    """
    positions = [i for i, value in enumerate(prints) if value]
    parents = list(range(len(positions)))
    for i, j in _similar_pairs([value for value in prints if value]):
        low, high = sorted((_root(parents, i), _root(parents, j)))
        parents[high] = low
    groups = defaultdict(list)
    for i, position in enumerate(positions):
        groups[_root(parents, i)].append(position)
    return [group for group in groups.values() if len(group) > 1]


def _root(parents: Sequence[int], i: int) -> int:
    """The first member of the group of i."""
    while parents[i] != i:
        i = parents[i]
    return i


def _similar_pairs(prints: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """The positions of two similar fingerprints, the lower first."""
    words = np.frombuffer(b"".join(prints), np.uint64).reshape(-1, N_WORDS).T
    for start in range(0, len(prints), ROWS_PER_BLOCK):
        block = words[:, start : start + ROWS_PER_BLOCK]
        similar = distances(block, words[:, start:]) <= MAX_COPY_DISTANCE
        for row, column in np.argwhere(np.triu(similar, 1)):
            yield start + int(row), start + int(column)
