"""Recordings: WAV, FLAC and OGG files as blocks of mono samples, and precomputed log-mel arrays."""

from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..system.arrays import Float32
from .channel import Channel, select_channel
from .resample import resampled

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
SUFFIXES = (*AUDIO_SUFFIXES, ".npy")
SAMPLE_RATES = (4000, 384000)  # Hz, lowest and highest that is read
SIGNATURES = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"fLaC",
    b"OggS",
)  # libsndfile would read, and parse, twenty others
BLOCK_SECONDS = 10.0
BLOCK_VALUES = 4 << 20  # of all channels, at most: headers may promise what they like
STREAMED = (
    0x7FFF0000  # bytes; from here on a WAV header means that its writer did not know the length
)
LOUDEST = 1e6  # of full scale; what is beyond is no sound
LONGEST = 25 * 3600.0  # seconds of a recording; its windows are kept until all of it was read

# Of the header of an array, which NumPy hands to Python's parser.
UNREADABLE = (
    ValueError,
    SyntaxError,
    OSError,
    ArithmeticError,
    TypeError,
    TokenError,
    RecursionError,
    MemoryError,
)


class AudioFile:
    """An opened recording that is read block by block, so that a day of audio fits in memory.

    >>> with AudioFile(path) as audio:          # doctest: +SKIP
    ...     for block in audio.blocks():        # (n,) float32, full scale 1
    ...         ...
    """

    def __init__(self, path: str | Path, channel: Channel = 0) -> None:
        import soundfile

        self.path = Path(path)
        self.channel = channel
        if not self.path.is_file():
            raise AudioError(f"{path}: no such file")
        if self.path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty (0 bytes); record it again")
        if _signature(self.path) not in SIGNATURES:
            raise AudioError(
                f"{path}: not a readable WAV, FLAC or OGG file (Format not recognised); convert or record it again"
            )
        try:
            self._file = soundfile.SoundFile(self.path)
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            reason = "its sample rate is 0 Hz" if _wav_rate(self.path) == 0 else _reason(error)
            raise AudioError(
                f"{path}: not a readable WAV, FLAC or OGG file ({reason}); convert or record it again"
            ) from error
        self.samplerate: int = self._file.samplerate
        self._missing = _missing_bytes(self.path)
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        try:
            self._check()
        except AudioError:
            self._file.close()
            raise

    def _check(self) -> None:
        low, high = SAMPLE_RATES
        if not low <= self.samplerate <= high:
            raise AudioError(
                f"{self.path}: the sample rate is {self.samplerate} Hz; allowed is {low} to {high} Hz"
            )
        if self.frames == 0:
            raise AudioError(f"{self.path}: the file has a header but no samples; record it again")
        if self._missing:
            raise AudioError(
                f"{self.path}: cut short, {self._missing} bytes are missing; copy or record it again"
            )
        if self.frames > LONGEST * self.samplerate:
            hours = f"{self.frames / self.samplerate / 3600:.3g} hours"
            raise AudioError(
                f"{self.path}: lasts {hours}; at most {LONGEST / 3600:g} are read at once, split it"
            )
        if self.channel != "mix" and not 0 <= self.channel < self.channels:
            raise AudioError(
                f"{self.path}: channel {self.channel} was asked for but the file has {self.channels}, "
                f"counted from 0; choose another --channel or 'mix'"
            )

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def blocks(self, seconds: float = BLOCK_SECONDS) -> Iterator[Float32]:
        """Mono blocks (n,), full scale 1; AudioError where a sample is not a number."""
        import soundfile

        done, size = 0, max(1, min(int(seconds * self.samplerate), BLOCK_VALUES // self.channels))
        kind = "int16" if self._file.subtype == "PCM_16" else "float32"
        while done < self.frames:
            try:
                raw = self._file.read(size, dtype=kind, always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise AudioError(
                    f"{self.path}: damaged after {done} samples ({_reason(error)})"
                ) from error
            if not len(raw):
                raise AudioError(
                    f"{self.path}: ends after {done} of {self.frames} samples; copy or record it again"
                )
            done += len(raw)
            yield select_channel(self._samples(raw), self.channel)

    def _samples(self, raw: NDArray[Any]) -> Float32:
        """(n, channels) as read, full scale 1; AudioError where a sample is not a number."""
        if raw.dtype == np.int16:  # what libsndfile gives as float32, in a fourth of its time
            return np.asarray(np.multiply(raw, np.float32(2**-15), dtype=np.float32))
        if not np.isfinite(raw).all():
            raise AudioError(
                f"{self.path}: holds samples that are not numbers (NaN or infinite); record it again"
            )
        if np.abs(raw).max() > LOUDEST:
            raise AudioError(
                f"{self.path}: holds samples beyond {LOUDEST:g} of full scale; record it again"
            )
        return np.asarray(raw, np.float32)


def _signature(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _missing_bytes(path: Path) -> int:
    """How many bytes a WAV file is shorter than its header says; a recorder that was killed says 0 or 2 GiB."""
    with path.open("rb") as file:
        header = file.read(8)
    promised = int.from_bytes(header[4:], "little") + 8
    if header[:4] != b"RIFF" or promised > STREAMED:
        return 0
    return max(0, promised - path.stat().st_size)


def _wav_rate(path: Path) -> int | None:
    """The sample rate in the header of a plain WAV file; libsndfile does not say that it is 0."""
    with path.open("rb") as file:
        header = file.read(28)
    return (
        int.from_bytes(header[24:28], "little")
        if header[:4] == b"RIFF" and len(header) == 28
        else None
    )


def _reason(error: Exception) -> str:
    lines = str(getattr(error, "error_string", error)).strip(" .").splitlines()
    return lines[0] if lines else type(error).__name__


def samplerate_of(path: str | Path) -> int:
    """Hz of a recording; 0 for a ``.npy`` log-mel array."""
    if Path(path).suffix.lower() == ".npy":
        return 0
    with AudioFile(path, "mix") as audio:
        return audio.samplerate


def read_audio(path: str | Path, samplerate: int, channel: Channel = 0) -> Float32:
    """A whole recording (n,) at ``samplerate`` Hz, full scale 1."""
    with AudioFile(path, channel) as audio:
        return np.concatenate(list(resampled(audio.blocks(), audio.samplerate, samplerate)))
