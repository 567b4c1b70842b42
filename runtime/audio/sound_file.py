"""Recordings: WAV, FLAC, OGG, MP3, AIFF, AU, CAF and W64 files as blocks of mono samples."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..system.arrays import Float32
from ..system.progress import report_once
from ..system.spool import spooled
from .channel import Channel, select_channel
from .container import Extent, PatchedFile, extent_of, is_mp3
from .file_types import KINDS
from .full_scale import find_other_scale
from .pcm import PlainWav

if TYPE_CHECKING:
    from soundfile import SoundFile

# The first bytes of these formats; libsndfile would read, and parse, twenty others.
SIGNATURES = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff"),
    *(b".snd", b"dns."),
)

MIN_SAMPLE_RATE = 4000  # Hz
MAX_SAMPLE_RATE = 384_000  # Hz
MAX_RECORDING_SECONDS = 25 * 3600.0  # its windows stay in memory until all of it is read
DEFAULT_BLOCK_SECONDS = 10.0
MAX_BLOCK_VALUES = 4 << 20  # of all channels together, whatever the header says
UNKNOWN_FRAMES = 1 << 62  # as libsndfile counts a FLAC whose header does not say its length
# Frames that are decoded at once to count those of such a file: what a damaged end takes away.
COUNTED_FRAMES = 4096
MIN_REPORTED_SECONDS = 0.5


class SeekableFile(Protocol):
    """What `soundfile` reads in place of a file."""

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


class AudioFile:
    """An opened recording that is read block by block, so that a day of audio fits in memory.

    >>> with AudioFile(path) as audio:          # doctest: +SKIP
    ...     for block in audio.blocks():        # (n,) float32, full scale 1
    ...         ...
    """

    def __init__(self, path: str | Path, channel: Channel = 0) -> None:
        """Open a recording; AudioError if it cannot be read, or does not have the channel.

        A FIFO is read to its end first. A line on stderr says so of a file whose header does not
        know how long it is.
        """
        self.path = Path(path)
        self.channel = channel
        self._content = spooled(self.path)
        self._closing = ExitStack()
        self._extent = Extent()
        plain = PlainWav.open(self._content)
        self._file = self._closing.enter_context(plain or self._open_other())
        self.samplerate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        self._is_open_ended = self._extent.is_open_ended or self.frames >= UNKNOWN_FRAMES
        try:
            if self.frames >= UNKNOWN_FRAMES and self._has_valid_rate:
                self.frames = self._count_frames()
            self._check()
        except AudioError:
            self._closing.close()
            raise
        # Less is refused for its length.
        if self._is_open_ended and self.frames >= MIN_REPORTED_SECONDS * self.samplerate:
            report_once(
                f"{self.path}: its header does not say how long it is, as of a recorder that was "
                f"stopped; read to its end, {self.frames / self.samplerate:.1f} s"
            )

    def _open_other(self) -> "SoundFile":
        """Open a file that is no plain WAV file, whose container says how much sound it holds."""
        _check_signature(self.path, self._content)
        self._extent = _extent(self._content)
        if self._extent.missing:
            raise _cut_short(self.path, self._extent.missing)
        return self._open()

    def _open(self) -> "SoundFile":
        import soundfile

        source: bytes | PatchedFile = os.fsencode(self._content)
        try:
            if self._extent.patches:
                patched = self._closing.enter_context(self._content.open("rb"))
                source = PatchedFile(patched, self._extent.patches)
            return sequential(source)
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            zero_rate = _wav_samplerate(self._content) == 0
            reason = "its sample rate is 0 Hz" if zero_rate else reason_of(error)
            self._closing.close()
            raise _unreadable(self.path, reason) from error

    def _count_frames(self) -> int:
        """The frames that can be decoded of a file whose header does not say how many it holds."""
        import soundfile

        n_frames = 0
        max_frames = MAX_RECORDING_SECONDS * self.samplerate
        with self._open() as file:
            try:
                while n_frames <= max_frames:
                    n_read = len(file.read(COUNTED_FRAMES, dtype="int16", always_2d=True))
                    if not n_read:
                        break
                    n_frames += n_read
            except (soundfile.SoundFileError, RuntimeError):
                pass  # the last frame is incomplete
        return n_frames

    @property
    def _has_valid_rate(self) -> bool:
        return MIN_SAMPLE_RATE <= self.samplerate <= MAX_SAMPLE_RATE

    def _find_end(self) -> None:
        """AudioError for a FLAC without its end, which only the decoder can tell."""
        if self._is_open_ended or self._file.format != "FLAC":
            return
        import soundfile

        with self._open() as file:
            try:
                file.seek(self.frames - 1)
                has_end = len(file.read(1, dtype="int16")) == 1
            except (soundfile.SoundFileError, RuntimeError):
                has_end = False
        if not has_end:
            raise _cut_short(self.path, f"the end of its {self.frames} samples is missing")

    def _check(self) -> None:
        try:
            check_samplerate(self.samplerate)
        except AudioError as error:
            raise AudioError(f"{self.path}: {error}") from error
        if self.frames == 0:
            raise AudioError(f"{self.path}: the file has a header but no samples; record it again")
        seconds = self.frames / self.samplerate
        if seconds > MAX_RECORDING_SECONDS:
            raise AudioError(
                f"{self.path}: lasts {seconds / 3600:.3g} hours; "
                f"at most {MAX_RECORDING_SECONDS / 3600:g} are read at once, split it"
            )
        if self.channel != "mix" and not 0 <= self.channel < self.channels:
            raise AudioError(
                f"{self.path}: channel {self.channel} was asked for but the file has "
                f"{self.channels}, counted from 0; choose another --channel or 'mix'"
            )
        self._find_end()

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.close()

    def blocks(self, seconds: float = DEFAULT_BLOCK_SECONDS) -> Iterator[Float32]:
        """Yield mono blocks (n,), full scale 1; AudioError if a sample is not a number."""
        max_frames = MAX_BLOCK_VALUES // self.channels
        n_frames = max(1, min(int(seconds * self.samplerate), max_frames))
        if self._is_open_ended:
            n_frames = min(n_frames, COUNTED_FRAMES)
        dtype = "int16" if self._file.subtype == "PCM_16" else "float32"
        n_read = 0
        while n_read < self.frames:
            n_next = min(n_frames, self.frames - n_read)
            try:
                raw = self._file.read(n_next, dtype=dtype, always_2d=True)
            except (RuntimeError, OSError) as error:  # RuntimeError: of libsndfile
                raise AudioError(
                    f"{self.path}: damaged after {n_read} samples ({reason_of(error)}); "
                    f"copy or record it again"
                ) from error
            if not len(raw):
                if self._file.format == "MP3":
                    return  # without a header of LAME the length is an estimate
                raise AudioError(
                    f"{self.path}: ends after {n_read} of {self.frames} samples; "
                    f"copy or record it again"
                )
            n_read += len(raw)
            yield select_channel(self._samples(raw), self.channel)

    def _samples(self, raw: NDArray[Any]) -> Float32:
        """(n, channels) as read, full scale 1; AudioError if a sample is not a number."""
        if raw.dtype == np.int16:
            # Much faster than float32 from libsndfile, with equal values.
            samples = raw.astype(np.float32)
            samples *= np.float32(2**-15)
            return samples
        if not np.isfinite(raw).all():
            raise AudioError(
                f"{self.path}: holds samples that are not numbers (NaN or infinite); "
                f"record it again"
            )
        if problem := find_other_scale(raw):
            raise AudioError(f"{self.path}: {problem}")
        return np.asarray(raw, np.float32)


def check_samplerate(samplerate: object) -> None:
    """AudioError unless it is a sample rate in Hz."""
    is_number = isinstance(samplerate, int | float | np.integer | np.floating)
    if not is_number or isinstance(samplerate, bool):
        raise AudioError(
            f"the sample rate is a {type(samplerate).__name__}, {samplerate!r:.40}; "
            f"give a number of Hz, such as 16000"
        )
    rate = cast("float", samplerate)
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"the sample rate is {rate} Hz; allowed is {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
        )


def samplerate_of(path: str | Path) -> int:
    """Sample rate of a recording, Hz; 0 for a ``.npy`` log-mel array."""
    if Path(path).suffix.lower() == ".npy":
        return 0
    with AudioFile(path, "mix") as audio:
        return audio.samplerate


def reason_of(error: Exception) -> str:
    """The first line of the message of an error, or the name of its class."""
    lines = str(getattr(error, "error_string", error)).strip(" .").splitlines()
    return lines[0] if lines else type(error).__name__


def sequential(source: bytes | SeekableFile) -> "SoundFile":
    """Open a file that is read from its start to its end.

    soundfile seeks after each block, which libsndfile cannot in a FLAC of unknown length or a pipe.
    """
    return _sequential_class()(source)


@cache
def _sequential_class() -> "Callable[[bytes | SeekableFile], SoundFile]":
    import soundfile

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Sequential


def _check_signature(path: Path, content: Path) -> None:
    """AudioError unless the file exists and begins as one of sound.

    content: where its bytes are.
    """
    if not content.is_file():
        raise AudioError(f"{path}: no such file; check the path")
    if content.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); record it again")
    with content.open("rb") as file:
        signature = file.read(4)
    if signature not in SIGNATURES and signature[:3] != b"ID3" and not is_mp3(signature):
        raise _unreadable(path, "Format not recognised")


def _extent(content: Path) -> Extent:
    file: BinaryIO
    with content.open("rb") as file:
        return extent_of(file)


def _cut_short(path: Path, missing: str) -> AudioError:
    return AudioError(f"{path}: cut short, {missing}; copy or record it again")


def _unreadable(path: str | Path, reason: str) -> AudioError:
    return AudioError(f"{path}: not a readable {KINDS} file ({reason}); convert or record it again")


def _wav_samplerate(path: Path) -> int | None:
    """The sample rate in the header of a plain WAV file, Hz; libsndfile does not report 0."""
    with path.open("rb") as file:
        header = file.read(28)
    if header[:4] != b"RIFF" or len(header) < 28:
        return None
    return int.from_bytes(header[24:28], "little")
