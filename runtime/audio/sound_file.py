"""Recordings: WAV, FLAC and OGG files as blocks of mono samples."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..system.arrays import Float32
from .channel import Channel, select_channel

# The first bytes of these formats; libsndfile would read, and parse, twenty others.
SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS")

MIN_SAMPLE_RATE = 4000  # Hz
MAX_SAMPLE_RATE = 384_000  # Hz
MAX_AMPLITUDE = 1e6  # full scale 1; a sample beyond it is not sound
MAX_RECORDING_SECONDS = 25 * 3600.0  # its windows stay in memory until all of it is read
DEFAULT_BLOCK_SECONDS = 10.0
MAX_BLOCK_VALUES = 4 << 20  # of all channels together, whatever the header says
# A WAV header with at least this many bytes means that its writer did not know the length.
UNKNOWN_LENGTH_BYTES = 0x7FFF0000


class AudioFile:
    """An opened recording that is read block by block, so that a day of audio fits in memory.

    >>> with AudioFile(path) as audio:          # doctest: +SKIP
    ...     for block in audio.blocks():        # (n,) float32, full scale 1
    ...         ...
    """

    def __init__(self, path: str | Path, channel: Channel = 0) -> None:
        """Open a recording; AudioError if it cannot be read, or does not have the channel."""
        import soundfile

        self.path = Path(path)
        self.channel = channel
        _check_signature(self.path)
        try:
            self._file = soundfile.SoundFile(os.fsencode(self.path))
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            zero_rate = _wav_samplerate(self.path) == 0
            reason = "its sample rate is 0 Hz" if zero_rate else reason_of(error)
            raise _unreadable(path, reason) from error
        self.samplerate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        try:
            self._check()
        except AudioError:
            self._file.close()
            raise

    def _check(self) -> None:
        if not MIN_SAMPLE_RATE <= self.samplerate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{self.path}: the sample rate is {self.samplerate} Hz; "
                f"allowed is {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
            )
        if self.frames == 0:
            raise AudioError(f"{self.path}: the file has a header but no samples; record it again")
        if n_missing := _missing_bytes(self.path):
            raise AudioError(
                f"{self.path}: cut short, {n_missing} bytes are missing; copy or record it again"
            )
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

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def blocks(self, seconds: float = DEFAULT_BLOCK_SECONDS) -> Iterator[Float32]:
        """Yield mono blocks (n,), full scale 1; AudioError if a sample is not a number."""
        import soundfile

        max_frames = MAX_BLOCK_VALUES // self.channels
        n_frames = max(1, min(int(seconds * self.samplerate), max_frames))
        dtype = "int16" if self._file.subtype == "PCM_16" else "float32"
        n_read = 0
        while n_read < self.frames:
            try:
                raw = self._file.read(n_frames, dtype=dtype, always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise AudioError(
                    f"{self.path}: damaged after {n_read} samples ({reason_of(error)}); "
                    f"copy or record it again"
                ) from error
            if not len(raw):
                raise AudioError(
                    f"{self.path}: ends after {n_read} of {self.frames} samples; "
                    f"copy or record it again"
                )
            n_read += len(raw)
            yield select_channel(self._samples(raw), self.channel)

    def _samples(self, raw: NDArray[Any]) -> Float32:
        """(n, channels) as read, full scale 1; AudioError if a sample is not a number."""
        if (
            raw.dtype == np.int16
        ):  # four times as fast as float32 from libsndfile, with equal values
            return np.asarray(np.multiply(raw, np.float32(2**-15), dtype=np.float32))
        if not np.isfinite(raw).all():
            raise AudioError(
                f"{self.path}: holds samples that are not numbers (NaN or infinite); "
                f"record it again"
            )
        if np.abs(raw).max() > MAX_AMPLITUDE:
            raise AudioError(
                f"{self.path}: holds samples beyond {MAX_AMPLITUDE:g} of full scale; "
                f"record it again"
            )
        return np.asarray(raw, np.float32)


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


def _check_signature(path: Path) -> None:
    """AudioError unless the file exists and begins as a WAV, FLAC or OGG file."""
    if not path.is_file():
        raise AudioError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); record it again")
    with path.open("rb") as file:
        signature = file.read(4)
    if signature not in SIGNATURES:
        raise _unreadable(path, "Format not recognised")


def _unreadable(path: str | Path, reason: str) -> AudioError:
    return AudioError(
        f"{path}: not a readable WAV, FLAC or OGG file ({reason}); convert or record it again"
    )


def _missing_bytes(path: Path) -> int:
    """How many bytes a WAV file is shorter than its header says; 0 if the header does not say.

    The header of a recorder that was killed says 0 or 2 GiB.
    """
    with path.open("rb") as file:
        header = file.read(8)
    promised = int.from_bytes(header[4:], "little") + 8
    if header[:4] != b"RIFF" or promised > UNKNOWN_LENGTH_BYTES:
        return 0
    return max(0, promised - path.stat().st_size)


def _wav_samplerate(path: Path) -> int | None:
    """The sample rate in the header of a plain WAV file, Hz; libsndfile does not report 0."""
    with path.open("rb") as file:
        header = file.read(28)
    if header[:4] != b"RIFF" or len(header) < 28:
        return None
    return int.from_bytes(header[24:28], "little")
