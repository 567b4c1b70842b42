"""Recordings joined to one stream of log-mel frames, without a jump at the joints.

    recording 0   =============\\
                                \\  fade: the power falls
    recording 1                 /  and rises
                               /=============\\
    stream        |-----------||-||----------|| ...

The frames of a recording do not depend on those before, so they are joined instead of samples: a
joint makes no click. Within a fade the powers of both recordings are added with weights that add up
to 1, as the powers of two independent sounds add up.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain

import numpy as np

from ..system.arrays import Float32

DB_PER_DECADE = 10.0  # of power
DEFAULT_FADE_SECONDS = 1.0


def joined(recordings: Iterable[Iterable[Float32]], fade_frames: int) -> Iterator[Float32]:
    """Yield the blocks (n, n_mels), dB, of recordings, each cross-faded with the one before.

    A recording shorter than two fades is faded in its first and its second half.

    recordings: blocks (n, n_mels), dB, of each
    fade_frames: length of a fade
    """
    tail: Float32 | None = None
    for blocks in recordings:
        stream = iter(blocks)
        start = at_least(stream, 2 * fade_frames)
        if not len(start):
            continue
        n_fade = min(fade_frames, len(start) // 2)
        if tail is not None:
            n_mixed = min(n_fade, len(tail))
            yield tail[: len(tail) - n_mixed]
            yield cross_fade(tail[len(tail) - n_mixed :], start[:n_mixed])
            start = start[n_mixed:]
        tail = yield from _hold_back(chain([start], stream), n_fade)
    if tail is not None:
        yield tail


def cross_fade(old: Float32, new: Float32) -> Float32:
    """From ``old`` to ``new``, both (n, n_mels), dB: the power of one falls, that of one rises."""
    weight = (np.arange(len(new)) + 1) / (len(new) + 1)
    old_power = 10 ** (old.astype(np.float64) / DB_PER_DECADE)
    new_power = 10 ** (new.astype(np.float64) / DB_PER_DECADE)
    power = (1 - weight)[:, None] * old_power + weight[:, None] * new_power
    return np.asarray(DB_PER_DECADE * np.log10(power), np.float32)


def at_least(stream: Iterator[Float32], n_frames: int) -> Float32:
    """The first blocks of a stream, up to ``n_frames`` or more; all of a shorter one."""
    blocks: list[Float32] = []
    n_read = 0
    for block in stream:
        blocks.append(block)
        n_read += len(block)
        if n_read >= n_frames:
            break
    return np.concatenate(blocks) if blocks else np.empty((0, 0), np.float32)


def _hold_back(blocks: Iterable[Float32], n_frames: int) -> Generator[Float32, None, Float32]:
    """Yield all of the blocks but the last ``n_frames`` frames, which are returned."""
    held: Float32 | None = None
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        n_ready = len(held) - n_frames
        if n_ready > 0:
            yield held[:n_ready]
            held = held[n_ready:]
    return np.empty((0, 0), np.float32) if held is None else held
