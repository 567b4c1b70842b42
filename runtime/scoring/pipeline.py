"""From recordings to windows, before any head."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..audio.channel import Channel
from ..audio.resample import Resampler
from ..audio.sound_file import AudioFile
from ..errors import AudioError
from ..features.log_mel_file import read_log_mel
from ..features.mel import MelSpec
from ..system.arrays import Float32, Float64
from .window_stream import PatchNetwork, Window, WindowStream, checked, patches_of


class Pipeline:
    """Sound -> windows, before any head: what training machines and the watched machine have in common."""

    def __init__(self, spec: MelSpec, network: PatchNetwork, window: float) -> None:
        self.spec, self.network = spec, network
        self.window = window  # seconds

    @property
    def window_frames(self) -> int:
        """Frames of a decision window."""
        return patches_of(self.window, self.spec, self.network) * self.network.patch_frames

    def window_stream(self, samplerate: int | None = None) -> WindowStream:
        """A new source of sound, which comes at ``samplerate`` Hz before resampling."""
        return WindowStream(self.spec, self.network, self.window, samplerate)

    def windows(self, blocks: Iterable[Float32], samplerate: int) -> Iterator[Window]:
        """The windows of a recording that comes as mono blocks (n,) at ``samplerate`` Hz."""
        stream, resampler = (
            self.window_stream(samplerate),
            Resampler(samplerate, self.spec.sample_rate),
        )
        for block in map(checked, blocks):
            stream.measure(block)
            yield from stream.push(resampler.push(block))
        yield from stream.push(resampler.push(np.empty(0, np.float32), last=True))
        yield from stream.flush()

    def windows_of_frames(self, frames: Float32) -> list[Window]:
        """The windows of a recording given as log-mel (n_frames, n_mels), dB."""
        stream = self.window_stream()
        return stream.push_frames(frames) + stream.flush()

    def read(self, path: str | Path, channel: Channel = 0) -> Iterator[Window]:
        """The windows of a recording or of a ``.npy`` log-mel array; AudioError names a file that is refused."""
        try:
            if Path(path).suffix.lower() == ".npy":
                yield from self.windows_of_frames(read_log_mel(path, self.spec))
                return
            with AudioFile(path, channel) as audio:
                yield from self.windows(audio.blocks(), audio.samplerate)
        except AudioError as error:
            named = str(error).startswith(str(path))
            raise error if named else AudioError(f"{path}: {error}") from error

    def apart(self, windows: Iterable[Window]) -> list[Window]:
        """The windows of one recording that do not overlap."""
        length, free, kept = self.window_frames / self.spec.frames_per_second, 0.0, list[Window]()
        for window in windows:
            if window.end >= free:
                kept.append(window)
                free = window.end + length - 1e-3  # ends are rounded to milliseconds
        return kept

    def independent(self, windows: Iterable[Window]) -> Float64:
        """(n, size): features of the windows of one recording that do not overlap."""
        return np.array([window.features for window in self.apart(windows)])
