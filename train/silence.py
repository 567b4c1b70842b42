"""Recordings of silence or of a constant, on which nothing can be learned."""

from collections.abc import Callable, Sequence

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.folder import is_sound
from edgeae.runtime.audio.level import SILENCE_DBFS
from edgeae.runtime.audio.other_channel import CHECK_MICROPHONE, advice_for_silence, level_of
from edgeae.runtime.errors import AudioError

from .torch_features import DEFAULT_CHUNK_FRAMES, Features

# White noise of -90 dBFS has bands of -76 dB, and other noise of this level has a lower mean.
MAX_MEAN_DB = -70.0
MIN_RANGE_DB = 0.01  # of the values of a band


def with_sound(
    recordings: Sequence[Features],
    channel: Channel,
    report: Callable[[str], None],
    *,
    skip_bad: bool,
) -> list[Features]:
    """The recordings that hold sound.

    A silent or constant one raises AudioError, or is reported and skipped with ``skip_bad``.
    """

    def check(item: Features) -> None:
        if _is_silent(item, channel):
            path = item.recording.path
            advice = advice_for_silence(path, channel) if is_sound(path) else CHECK_MICROPHONE
            raise AudioError(f"{path}: silent (below {SILENCE_DBFS:g} dBFS) or constant; {advice}")

    return [item for item, _ in read_each(recordings, check, report, skip_bad=skip_bad)]


def _is_silent(item: Features, channel: Channel) -> bool:
    low = np.inf
    high = -np.inf
    total = 0.0
    for start in range(0, len(item.frames), DEFAULT_CHUNK_FRAMES):
        frames = np.asarray(item.frames[start : start + DEFAULT_CHUNK_FRAMES])
        low = np.minimum(low, frames.min(axis=0))
        high = np.maximum(high, frames.max(axis=0))
        total += float(frames.mean(axis=1, dtype=np.float64).sum())
    if np.max(high - low) < MIN_RANGE_DB:
        return True
    is_quiet = total / len(item.frames) < MAX_MEAN_DB
    path = item.recording.path
    return is_quiet and is_sound(path) and level_of(path, channel) < SILENCE_DBFS
