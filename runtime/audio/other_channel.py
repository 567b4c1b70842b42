"""Which channel of a recording has sound where the one that was read has none.

A stereo recording often has one dead channel, and two channels of opposite phases cancel each other
in their mean.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..errors import AudioError
from ..system.arrays import Float32
from .channel import Channel
from .level import SILENCE_DBFS, dbfs, deviation
from .sound_file import AudioFile

MAX_CHANNELS = 64  # that are looked at
MIN_LOUDER_DB = 20.0  # than the channel that was read
EQUAL_DB = 1.0  # of two channels that are equally loud the first is used
CHECK_MICROPHONE = "remove it, and check the microphone"


class LevelSum:
    """The level of samples that pass in blocks, without their constant offset."""

    def __init__(self) -> None:
        self._squares = 0.0
        self._total = 0.0
        self._count = 0

    def passing(self, blocks: Iterable[Float32]) -> Iterator[Float32]:
        """The blocks (n,), unchanged."""
        for block in blocks:
            samples = block.astype(np.float64)
            self._squares += float(np.dot(samples, samples))
            self._total += float(samples.sum())
            self._count += len(samples)
            yield block

    @property
    def level_dbfs(self) -> float:
        """RMS level of all samples so far, dBFS."""
        if not self._count:
            return dbfs(0.0)
        return dbfs(deviation(self._squares, self._total, self._count))


def channel_with_sound(path: Path, channel: Channel) -> int | None:
    """The loudest channel of a recording, if it is far louder than ``channel``; else None."""
    try:
        with AudioFile(path, "mix") as audio:
            n_channels = min(audio.channels, MAX_CHANNELS)
        if n_channels < 2:
            return None
        levels = [level_of(path, number) for number in range(n_channels)]
        loudest = max(levels)
        if loudest < max(SILENCE_DBFS, level_of(path, channel) + MIN_LOUDER_DB):
            return None
    except (AudioError, OSError):
        return None
    return next(i for i, level in enumerate(levels) if level > loudest - EQUAL_DB)


def level_of(path: Path, channel: Channel) -> float:
    """RMS level of a channel of a recording without its constant offset, dBFS."""
    meter = LevelSum()
    with AudioFile(path, channel) as audio:
        for _ in meter.passing(audio.blocks()):
            pass
    return meter.level_dbfs


def advice_for_silence(path: Path, channel: Channel) -> str:
    """What to do with a recording whose ``channel`` is silent."""
    other = channel_with_sound(path, channel)
    if other is None:
        return CHECK_MICROPHONE
    if channel == "mix":
        return f"its channels cancel each other: use --channel {other}"
    return f"there is sound on another channel: use --channel {other}, or mix"
