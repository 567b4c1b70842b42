"""From recordings to windows, before any head."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..audio.channel import Channel
from ..audio.resample import Resampler
from ..audio.sound_file import AudioFile, check_samplerate
from ..errors import AudioError, printable
from ..features.log_mel_file import read_log_mel
from ..features.mel import MelSpec
from ..system.arrays import Float32, Float64
from .window_stream import (
    PatchNetwork,
    Window,
    WindowStream,
    checked,
    infer_batched,
    patches_of,
)

END_ROUNDING_SECONDS = 1e-3  # of `Window.end`


class Pipeline:
    """Sound -> windows, the same for the training machines and for the monitored machine."""

    def __init__(self, spec: MelSpec, network: PatchNetwork, window: float) -> None:
        """window: length of a decision window, seconds."""
        self.spec = spec
        self.network = network
        self.window = window

    @property
    def window_frames(self) -> int:
        """Number of frames of a decision window."""
        return patches_of(self.window, self.spec, self.network) * self.network.patch_frames

    def window_stream(self, samplerate: int | None = None) -> WindowStream:
        """The stream of a new source of sound, ``samplerate`` Hz before resampling."""
        return WindowStream(self.spec, self.network, self.window, samplerate)

    def windows(
        self, blocks: Iterable[Float32], samplerate: int, *, is_live: bool = False
    ) -> Iterator[Window]:
        """The windows of a recording of mono blocks (n,) at ``samplerate`` Hz.

        is_live: yield each window with the block that completes it. Without, they come a block
            later, so that the network infers the last ones in one call.
        """
        check_samplerate(samplerate)
        yield from self._windows(map(checked, blocks), samplerate, is_live)

    def _windows(
        self, blocks: Iterable[Float32], samplerate: int, is_live: bool = False
    ) -> Iterator[Window]:
        """As `windows`, of blocks and a sample rate that are checked."""
        stream = self.window_stream(samplerate)
        resampler = Resampler(samplerate, self.spec.sample_rate)
        for block in blocks:
            yield from infer_batched([stream])[0]
            stream.measure(block)
            stream.push_pending(resampler.push(block))
            if is_live:
                yield from infer_batched([stream])[0]
        stream.push_pending(resampler.push(np.empty(0, np.float32), last=True))
        yield from stream.flush()

    def windows_of_frames(self, frames: Float32) -> list[Window]:
        """The windows of a recording given as log-mel (n_frames, n_mels), dB."""
        stream = self.window_stream()
        return stream.push_frames(frames) + stream.flush()

    def mean_features(self, frames: Float32) -> Float64:
        """(n_features,) mean over the windows, which do not overlap, of frames (n, n_mels), dB."""
        return np.asarray(self.independent(self.windows_of_frames(frames)).mean(axis=0))

    def read(self, path: str | Path, channel: Channel = 0) -> Iterator[Window]:
        """The windows of a recording or of a ``.npy`` log-mel array.

        Raises AudioError, which names the file, if it cannot be read.
        """
        try:
            if Path(path).suffix.lower() == ".npy":
                yield from self.windows_of_frames(read_log_mel(path, self.spec))
                return
            with AudioFile(path, channel) as audio:
                yield from self._windows(audio.blocks(), audio.samplerate)
        except AudioError as error:
            if str(error).startswith(printable(str(path))):
                raise
            raise AudioError(f"{path}: {error}") from error

    def apart(self, windows: Iterable[Window]) -> list[Window]:
        """The windows of one recording that do not overlap."""
        seconds = self.window_frames / self.spec.frames_per_second
        next_end = 0.0
        selected: list[Window] = []
        for window in windows:
            if window.end >= next_end:
                selected.append(window)
                next_end = window.end + seconds - END_ROUNDING_SECONDS
        return selected

    def independent(self, windows: Iterable[Window]) -> Float64:
        """(n_windows, n_features) of the windows of one recording that do not overlap."""
        return np.array([window.features for window in self.apart(windows)])
