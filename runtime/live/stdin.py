"""Raw PCM on standard input, as `arecord -t raw` writes it."""

import sys
from collections.abc import Iterator
from typing import BinaryIO

from ..audio.channel import Channel, select_channel
from ..audio.pcm import FORMATS, decode
from ..errors import AudioError, ConfigError
from ..system.arrays import Float32

READ_SECONDS = 0.1  # of sound, at once
# First bytes of files that are not raw PCM.
FILE_SIGNATURES = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "OGG"}


class _StoppedError(Exception):
    """Ends a read that waits for input."""


class Pipe:
    """The raw PCM on stdin as mono blocks. An incomplete last frame is dropped."""

    def __init__(
        self,
        encoding: str,
        channels: int,
        samplerate: int,
        channel: Channel,
        file: BinaryIO | None = None,
    ) -> None:
        """encoding: one of FORMATS.

        channels: of each frame.
        samplerate: Hz.
        channel: the one to use, counted from 0, or "mix".
        file: to read from; standard input if it is not given.
        """
        if channel != "mix" and channel >= channels:
            raise ConfigError(
                f"--channel {channel} of raw PCM with --input-channels {channels}; "
                "they are counted from 0"
            )
        _, sample_bytes = FORMATS[encoding]
        self._encoding = encoding
        self._channels = channels
        self._channel = channel
        self._file = file
        self._frame_bytes = sample_bytes * channels
        self._read_bytes = max(1, int(samplerate * READ_SECONDS)) * self._frame_bytes
        self._stopped = False
        self._reading = False

    def stop(self) -> None:
        """Let `blocks` end; call it from a signal handler, where it ends a read that waits."""
        self._stopped = True
        if self._reading:
            raise _StoppedError

    def blocks(self) -> Iterator[Float32]:
        """Yield blocks (n,) until the pipe ends or is stopped.

        Raises AudioError if the input is a sound file instead of raw PCM.
        """
        raw = self._read()
        signature = FILE_SIGNATURES.get(raw[:4])
        if signature:
            raise AudioError(
                f"stdin begins as a {signature} file and not with raw PCM; name the file instead"
            )
        while raw:
            n_frames = len(raw) // self._frame_bytes
            samples = decode(raw[: n_frames * self._frame_bytes], self._encoding, self._channels)
            yield select_channel(samples, self._channel)
            raw = self._read()

    def _read(self) -> bytes:
        """Read a block of bytes; empty at the end or when stopped."""
        if self._stopped:
            return b""
        file = self._file or sys.stdin.buffer
        try:
            self._reading = True
            return file.read(self._read_bytes)
        except _StoppedError:
            return b""
        finally:
            self._reading = False
