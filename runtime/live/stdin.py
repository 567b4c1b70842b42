"""Sound on standard input: raw PCM as `arecord -t raw` writes it, WAV or FLAC."""

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from ..audio.channel import Channel, select_channel
from ..audio.container import MIN_UNKNOWN_BYTES
from ..audio.pcm import FORMATS, decode
from ..audio.sound_file import UNKNOWN_FRAMES, check_samplerate, reason_of, sequential
from ..errors import AudioError, ConfigError
from ..system.arrays import Float32
from .stream_kind import HEAD_BYTES, stream_kind
from .wav_format import WavFormat

if TYPE_CHECKING:
    from soundfile import SoundFile

READ_SECONDS = 0.1  # of sound, at once
SKIPPED_BYTES = 1 << 16  # of a chunk without sound, read at once
# What `soundfile` takes for the size of a pipe, which it never reaches.
ENDLESS_BYTES = 1 << 40


class _StoppedError(Exception):
    """Ends a read that waits for input."""


class Pipe:
    """The sound on stdin as mono blocks. An incomplete last frame is dropped."""

    def __init__(
        self,
        encoding: str,
        channels: int,
        samplerate: int,
        channel: Channel,
        file: BinaryIO | None = None,
        *,
        check_seconds: float = 1.0,
    ) -> None:
        """encoding: one of FORMATS, of raw PCM; a WAV or FLAC has its own.

        channels: of each frame of raw PCM.
        samplerate: Hz, of raw PCM.
        channel: the one to use, counted from 0, or "mix".
        file: to read from; standard input if it is not given.
        check_seconds: between two calls of ``while_waiting``.
        """
        self.encoding = encoding
        self.channels = channels
        self.samplerate = samplerate
        # Called while the pipe is open and nothing comes, with the seconds since the last bytes.
        self.while_waiting: Callable[[float], None] | None = None
        self._channel = channel
        self._file = file or sys.stdin.buffer
        self._descriptor = _descriptor_of(self._file)
        self._check_seconds = check_seconds
        self._kept = b""  # bytes that were read to know what the stream is
        self._blocks: Iterator[Float32] | None = None
        self.stopped = False
        self._reading = False
        self._failure: Exception | None = None  # of `while_waiting`

    def stop(self) -> None:
        """Let `blocks` end; call it from a signal handler, where it ends a read that waits."""
        self.stopped = True
        if self._reading:
            raise _StoppedError

    def open(self) -> None:
        """Wait for the first bytes; then encoding, channels and samplerate are those of the sound.

        Raises AudioError for a file of another kind, and ConfigError for a channel that is not
        there.
        """
        _, sample_bytes = FORMATS[self.encoding]
        n_first = max(HEAD_BYTES, self._frames_at_once() * sample_bytes * self.channels)
        self._kept = self._read(n_first)
        self._raise_failure()
        kind = stream_kind(self._kept)
        if kind == "WAV":
            self._blocks = self._wav_blocks()
        elif kind == "FLAC":
            self._blocks = self._flac_blocks()
        elif kind:
            raise AudioError(
                f"stdin begins as a file of the kind {kind}; raw PCM, WAV and FLAC are read from "
                f"a pipe: name the file instead, or convert it with ffmpeg -i FILE -f wav -"
            )
        else:
            self._check_channel(ConfigError, f"raw PCM with --input-channels {self.channels}")
            self._blocks = self._raw_blocks(sample_bytes * self.channels)

    def blocks(self) -> Iterator[Float32]:
        """Yield blocks (n,) until the pipe ends or is stopped.

        Raises AudioError at the end of a WAV or FLAC that was cut short.
        """
        if self._blocks is None:
            self.open()
        for block in self._blocks or ():
            yield select_channel(block, self._channel)
        self._raise_failure()

    def _frames_at_once(self) -> int:
        return max(1, int(self.samplerate * READ_SECONDS))

    def _check_channel(self, error: type[ConfigError | AudioError], sound: str) -> None:
        if self._channel != "mix" and self._channel >= self.channels:
            raise error(f"--channel {self._channel} of {sound}; they are counted from 0")

    def _raw_blocks(self, frame_bytes: int) -> Iterator[Float32]:
        n_bytes = self._frames_at_once() * frame_bytes
        while raw := self._read(n_bytes):
            n_frames = len(raw) // frame_bytes
            yield decode(raw[: n_frames * frame_bytes], self.encoding, self.channels)

    def _wav_blocks(self) -> Iterator[Float32]:
        """Read the header now, and return the blocks of the sound behind it."""
        self._read(12)
        form: WavFormat | None = None
        size_64 = 0
        while len(header := self._read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                break
            if header[:4] == b"fmt ":
                form = WavFormat.of(self._read(min(size, SKIPPED_BYTES)))
                size = max(0, size - SKIPPED_BYTES)
            elif header[:4] == b"ds64":
                content = self._read(min(size, SKIPPED_BYTES))
                size_64 = int.from_bytes(content[8:16], "little")
                size = 0
            self._skip(size + size % 2)
        if len(header) < 8 or form is None:
            raise AudioError("stdin begins as a WAV file, and ends before its sound; send it again")
        self.encoding = form.name
        self.channels = form.channels
        self.samplerate = form.samplerate
        self._check_sound("WAV")
        promised = size_64 if size == 0xFFFFFFFF and size_64 else size
        is_known = promised > 0 and (promised < MIN_UNKNOWN_BYTES or promised == size_64)
        return self._decoded_wav(form, promised if is_known else None)

    def _check_sound(self, kind: str) -> None:
        try:
            check_samplerate(self.samplerate)
        except AudioError as error:
            raise AudioError(f"stdin: {error}") from error
        self._check_channel(AudioError, f"a {kind} with {self.channels} on stdin")

    def _skip(self, n_bytes: int) -> None:
        while n_bytes > 0:
            content = self._read(min(n_bytes, SKIPPED_BYTES))
            if not content:
                return
            n_bytes -= len(content)

    def _decoded_wav(self, form: WavFormat, promised: int | None) -> Iterator[Float32]:
        n_at_once = self._frames_at_once() * form.frame_bytes
        n_read = 0
        while promised is None or n_read < promised:
            n_next = n_at_once if promised is None else min(n_at_once, promised - n_read)
            raw = self._read(n_next)
            if not raw:
                break
            n_read += len(raw)
            yield form.decode(raw)
        if promised is not None and n_read < promised and not self.stopped:
            raise AudioError(
                f"stdin: a WAV that was cut short, {promised - n_read} bytes are missing; "
                f"send it again"
            )

    def _flac_blocks(self) -> Iterator[Float32]:
        """Read the header now, and return the blocks of the sound behind it."""
        import soundfile

        try:
            file = sequential(_ForwardFile(self._read_some))
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            raise AudioError(
                f"stdin begins as a FLAC file that cannot be read ({reason_of(error)}); "
                f"send it again"
            ) from error
        self.encoding = f"FLAC {file.subtype}"
        self.channels = file.channels
        self.samplerate = file.samplerate
        self._check_sound("FLAC")
        return self._decoded_flac(file)

    def _decoded_flac(self, file: "SoundFile") -> Iterator[Float32]:
        import soundfile

        n_frames = self._frames_at_once()
        n_read = 0
        is_damaged = False
        with file:
            while not self.stopped and not is_damaged:
                try:
                    block = file.read(n_frames, dtype="float32", always_2d=True)
                except (soundfile.SoundFileError, RuntimeError):
                    is_damaged = True
                    continue
                if not len(block):
                    break
                n_read += len(block)
                yield block
        is_short = file.frames < UNKNOWN_FRAMES and n_read < file.frames
        if (is_short or is_damaged) and not self.stopped:
            raise AudioError(
                f"stdin: a FLAC that was cut short after {n_read} samples; send it again"
            )

    def _read_some(self, n_bytes: int) -> bytes:
        """Read up to ``n_bytes``, as many as are there, at least one; empty at the end."""
        if self._kept:
            return self._read(min(n_bytes, len(self._kept)))
        return self._waiting(n_bytes, whole=False)

    def _read(self, n_bytes: int) -> bytes:
        """Read ``n_bytes``; fewer at the end, or when stopped."""
        if self.stopped:
            return b""
        content = self._kept[:n_bytes]
        self._kept = self._kept[n_bytes:]
        if len(content) < n_bytes:
            content += self._waiting(n_bytes - len(content), whole=True)
        return content

    def _waiting(self, n_bytes: int, *, whole: bool) -> bytes:
        """Read from the pipe; empty at the end or when stopped. whole: wait for all bytes."""
        n_wanted = n_bytes if whole else 1
        content = b""
        while len(content) < n_wanted and not self.stopped:
            part = self._read_once(n_bytes - len(content))
            if not part:
                break
            content += part
        return content

    def _read_once(self, n_bytes: int) -> bytes:
        """Read what is there, up to ``n_bytes``; empty at the end or when stopped."""
        if self._descriptor is None:
            return self._file.read(n_bytes)
        try:
            self._wait_for_bytes(self._descriptor)
            self._reading = not self.stopped
            return os.read(self._descriptor, n_bytes) if self._reading else b""
        except _StoppedError:
            return b""
        except OSError as error:
            raise AudioError(f"stdin cannot be read ({error.strerror}); send it again") from error
        finally:
            self._reading = False

    def _wait_for_bytes(self, descriptor: int) -> None:
        """Return when there are bytes, at the end of the pipe or when stopped."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        waiting_since = time.monotonic()
        while not self.stopped:
            self._reading = True
            is_ready = poll.poll(1000 * self._check_seconds)
            self._reading = False
            if is_ready:
                return
            self._report_waiting(time.monotonic() - waiting_since)

    def _report_waiting(self, seconds: float) -> None:
        """Call ``while_waiting``; a failure of it ends the pipe, and `blocks` raises it.

        A decoder that calls for bytes would not pass it on.
        """
        if self.while_waiting is None:
            return
        try:
            self.while_waiting(seconds)
        except Exception as error:
            self._failure = error
            self.stopped = True

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _descriptor_of(file: BinaryIO) -> int | None:
    """The file descriptor; None for a file in memory."""
    try:
        return file.fileno()
    except (OSError, ValueError):
        return None


class _ForwardFile:
    """A pipe as a file for `soundfile`, which reads it from its start to its end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._head = b""  # what was read before `soundfile` returned to the start
        self._at = 0
        self._n_read = 0

    def read(self, size: int = -1, /) -> bytes:
        if self._at < len(self._head):
            content = self._head[self._at : self._at + size]
        else:
            content = self._read(max(size, 1))
            self._n_read += len(content)
            if self._n_read <= HEAD_BYTES:
                self._head += content
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self._at, ENDLESS_BYTES)[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at
