"""The recordings of a data set, joined to one stream of log-mel frames."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.resample import resampled
from edgeae.runtime.audio.sound_file import AudioFile
from edgeae.runtime.features.joining import DEFAULT_FADE_SECONDS, at_least, joined
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, MelStream
from edgeae.runtime.system.arrays import Float32

MAX_KEPT_BYTES = 2**27  # about two hours of sound, in each process that plays streams


def frames_of(path: Path, spec: MelSpec, channel: Channel = 0) -> Iterator[Float32]:
    """The log-mel frames (n_frames, n_mels), dB, of a recording in blocks."""
    if path.suffix.lower() == ".npy":
        yield read_log_mel(path, spec)
        return
    with AudioFile(path, channel) as audio:
        sound = resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        yield from MelStream(spec).frames(sound)


class KeptFrames:
    """The log-mel frames of recordings that are read again and again; the first stay in memory."""

    def __init__(
        self, spec: MelSpec, channel: Channel = 0, max_bytes: int = MAX_KEPT_BYTES
    ) -> None:
        self.spec = spec
        self._channel = channel
        self._free_bytes = max_bytes
        self._kept: dict[Path, list[Float32]] = {}

    def read(self, path: Path) -> Iterator[Float32]:
        """The frames (n_frames, n_mels), dB, of a recording in blocks, see `frames_of`."""
        if path in self._kept:
            yield from self._kept[path]
            return
        blocks: list[Float32] = []
        n_bytes = 0
        for block in frames_of(path, self.spec, self._channel):
            n_bytes += block.nbytes
            if n_bytes <= self._free_bytes:
                blocks.append(block)
            yield block
        if n_bytes <= self._free_bytes:
            self._kept[path] = blocks
            self._free_bytes -= n_bytes


def joined_frames(
    paths: Iterable[Path],
    spec: MelSpec,
    channel: Channel = 0,
    fade_seconds: float = DEFAULT_FADE_SECONDS,
) -> Iterator[Float32]:
    """The log-mel frames (n_frames, n_mels), dB, of recordings joined in this order, in blocks."""
    recordings = (frames_of(path, spec, channel) for path in paths)
    return joined(recordings, round(fade_seconds * spec.frames_per_second))


def in_long_blocks(blocks: Iterable[Float32], min_frames: int) -> Iterator[Float32]:
    """The same frames in blocks of at least ``min_frames``, of which the last may be shorter."""
    stream = iter(blocks)
    while len(block := at_least(stream, min_frames)):
        yield block


def first_frames(blocks: Iterable[Float32], n_frames: int) -> Iterator[Float32]:
    """The first ``n_frames`` frames of a stream of blocks."""
    for block in blocks:
        yield block[:n_frames]
        n_frames -= len(block)
        if n_frames <= 0:
            return
