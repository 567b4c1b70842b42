"""Raw PCM on standard input, as `arecord -t raw` writes it."""

import sys
from collections.abc import Iterator

from ..audio.channel import Channel, select_channel
from ..audio.pcm import FORMATS, decode
from ..errors import AudioError, ConfigError
from ..system.arrays import Float32

SECONDS = 0.1  # read at once
HEADERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "OGG"}


class _StoppedError(Exception):
    """Ends a read that waits."""


class Pipe:
    """Mono blocks of the raw PCM on stdin; an incomplete last frame is dropped."""

    def __init__(self, encoding: str, channels: int, samplerate: int, channel: Channel) -> None:
        if channel != "mix" and channel >= channels:
            raise ConfigError(
                f"--channel {channel} of raw PCM with --input-channels {channels}; they are counted from 0"
            )
        self._encoding, self._channels, self._channel = encoding, channels, channel
        self._frame = FORMATS[encoding][1] * channels
        self._size = max(1, int(samplerate * SECONDS)) * self._frame
        self._stopped = self._reading = False

    def stop(self) -> None:
        """Let `blocks` end; for the handler of a signal."""
        self._stopped = True
        if self._reading:
            raise _StoppedError

    def blocks(self) -> Iterator[Float32]:
        """Until the pipe ends or is stopped; AudioError if it is no raw PCM."""
        first = True
        while raw := self._read():
            if first and raw[:4] in HEADERS:
                raise AudioError(
                    f"stdin begins as a {HEADERS[raw[:4]]} file and not with raw PCM; name the file instead"
                )
            first = False
            whole = decode(
                raw[: len(raw) // self._frame * self._frame], self._encoding, self._channels
            )
            yield select_channel(whole, self._channel)

    def _read(self) -> bytes:
        if self._stopped:
            return b""
        try:
            self._reading = True
            return sys.stdin.buffer.read(self._size)
        except _StoppedError:
            return b""
        finally:
            self._reading = False
