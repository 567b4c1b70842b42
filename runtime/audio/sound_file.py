"""Recordings: WAV, FLAC and OGG files as blocks of mono samples, and precomputed log-mel arrays."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..features.mel import Float32, MelSpec, MelStream

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
SUFFIXES = (*AUDIO_SUFFIXES, ".npy")
SAMPLE_RATES = (4000, 384000)  # Hz, lowest and highest that is read
SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS")  # libsndfile would read, and parse, twenty others
BLOCK_SECONDS = 10.0
BLOCK_VALUES = 4 << 20  # of all channels, at most: headers may promise what they like
STREAMED = 0x7FFF0000  # bytes; from here on a WAV header means that its writer did not know the length
POWER_BLOCK = 512  # samples whose squares are added up in single precision
PASSBAND = 0.94  # of the lower Nyquist frequency: up to here the resampler (soxr, HQ) changes nothing
LOUDEST = 1e6  # of full scale; what is beyond is no sound
LONGEST = 25 * 3600.0  # seconds of a recording; its windows are kept until all of it was read
MOST_FRAMES = 1 << 18  # of a precomputed log-mel array, two hours
WIDEST = 1000.0  # dB, of a precomputed log-mel array

# Of the header of an array, which NumPy hands to Python's parser.
UNREADABLE = (ValueError, SyntaxError, OSError, ArithmeticError, TypeError, TokenError, RecursionError, MemoryError)

Channel = int | Literal["mix"]
T = TypeVar("T")
R = TypeVar("R")


def parse_channel(text: str) -> Channel:
    """``"mix"`` or a channel number counted from 0; AudioError for anything else."""
    if text == "mix":
        return "mix"
    if text.isdecimal():
        return int(text)
    raise AudioError(f"channel {text!r}: give a number counted from 0, or 'mix'")


def select_channel(samples: Float32, channel: Channel) -> Float32:
    """(n, channels) -> (n,): one channel, or the mean of all."""
    if channel == "mix":
        return np.asarray(samples.mean(axis=1, dtype=np.float32))
    return np.ascontiguousarray(samples[:, channel])


def level_dbfs(samples: NDArray[np.floating[Any]]) -> float:
    """RMS level of ``samples`` (n,) in dB below full scale; -120 at the least."""
    whole = samples[: len(samples) // POWER_BLOCK * POWER_BLOCK].reshape(-1, POWER_BLOCK)
    rest = np.square(samples[whole.size :], dtype=np.float64)
    squares = np.einsum("ij,ij->i", whole, whole).sum(dtype=np.float64) + rest.sum()
    return round(10 * math.log10(max(squares / max(1, len(samples)), 1e-12)), 2)


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
            raise AudioError(f"{self.path}: the sample rate is {self.samplerate} Hz; allowed is {low} to {high} Hz")
        if self.frames == 0:
            raise AudioError(f"{self.path}: the file has a header but no samples; record it again")
        if self._missing:
            raise AudioError(f"{self.path}: cut short, {self._missing} bytes are missing; copy or record it again")
        if self.frames > LONGEST * self.samplerate:
            hours = f"{self.frames / self.samplerate / 3600:.3g} hours"
            raise AudioError(f"{self.path}: lasts {hours}; at most {LONGEST / 3600:g} are read at once, split it")
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
                raise AudioError(f"{self.path}: damaged after {done} samples ({_reason(error)})") from error
            if not len(raw):
                raise AudioError(f"{self.path}: ends after {done} of {self.frames} samples; copy or record it again")
            done += len(raw)
            yield select_channel(self._samples(raw), self.channel)

    def _samples(self, raw: NDArray[Any]) -> Float32:
        """(n, channels) as read, full scale 1; AudioError where a sample is not a number."""
        if raw.dtype == np.int16:  # what libsndfile gives as float32, in a fourth of its time
            return np.asarray(np.multiply(raw, np.float32(2**-15), dtype=np.float32))
        if not np.isfinite(raw).all():
            raise AudioError(f"{self.path}: holds samples that are not numbers (NaN or infinite); record it again")
        if np.abs(raw).max() > LOUDEST:
            raise AudioError(f"{self.path}: holds samples beyond {LOUDEST:g} of full scale; record it again")
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
    return int.from_bytes(header[24:28], "little") if header[:4] == b"RIFF" and len(header) == 28 else None


def _reason(error: Exception) -> str:
    lines = str(getattr(error, "error_string", error)).strip(" .").splitlines()
    return lines[0] if lines else type(error).__name__


def samplerate_of(path: str | Path) -> int:
    """Hz of a recording; 0 for a ``.npy`` log-mel array."""
    if Path(path).suffix.lower() == ".npy":
        return 0
    with AudioFile(path, "mix") as audio:
        return audio.samplerate


class Resampler:
    """Blocks at one rate to blocks at another through soxr's stream (quality HQ); equal rates pass unchanged."""

    def __init__(self, rate_in: float, rate_out: float) -> None:
        self._stream: Any = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")

    def push(self, block: Float32, *, last: bool = False) -> Float32:
        """The samples (m,) that ``block`` (n,) completes; ``last`` also gives what the filter still holds."""
        if self._stream is None:
            return block
        resampled: Float32 = self._stream.resample_chunk(np.ascontiguousarray(block, np.float32), last=last)
        return resampled


def resampled(blocks: Iterable[Float32], rate_in: float, rate_out: float) -> Iterator[Float32]:
    """Blocks (n,) at ``rate_in`` Hz as blocks (m,) at ``rate_out`` Hz."""
    resampler = Resampler(rate_in, rate_out)
    for block in blocks:
        yield resampler.push(block)
    yield resampler.push(np.empty(0, np.float32), last=True)


def read_audio(path: str | Path, samplerate: int, channel: Channel = 0) -> Float32:
    """A whole recording (n,) at ``samplerate`` Hz, full scale 1."""
    with AudioFile(path, channel) as audio:
        return np.concatenate(list(resampled(audio.blocks(), audio.samplerate, samplerate)))


def read_log_mel(path: str | Path, spec: MelSpec, channel: Channel = 0) -> Float32:
    """Log-mel (n_frames, n_mels) in dB of a recording, or the precomputed one in a ``.npy`` file."""
    if Path(path).suffix.lower() == ".npy":
        return _read_npy(Path(path), spec)
    with AudioFile(path, channel) as audio:
        sound = resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        return np.concatenate(list(MelStream(spec).frames(sound)))


def _read_npy(path: Path, spec: MelSpec) -> Float32:
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    try:
        array = _mapped(path)
    except UNREADABLE as error:
        raise AudioError(f"{path}: not a readable NumPy array ({_reason(error)}); compute it again") from error
    if spec != MelSpec():
        raise AudioError(f"{path}: log-mel arrays are of the default features; this model has others, give audio")
    if array.ndim != 2 or array.shape[1] != spec.n_mels or array.dtype.kind != "f" or not len(array):
        raise AudioError(
            f"{path}: holds {array.dtype} of shape {array.shape}; "
            f"a log-mel array is float, (n_frames, {spec.n_mels}), dB"
        )
    if len(array) > MOST_FRAMES:
        raise AudioError(f"{path}: holds {len(array)} frames; at most {MOST_FRAMES} are read at once, split it")
    if not np.isfinite(array).all():
        raise AudioError(f"{path}: holds values that are not numbers (NaN or infinite)")
    if np.abs(array).max() > WIDEST:
        raise AudioError(f"{path}: holds values beyond {WIDEST:g} dB; a log-mel array is in dB")
    return np.array(array, np.float32)


def _mapped(path: Path) -> NDArray[Any]:
    """The array in a file, without the memory that its header promises."""
    with path.open("rb") as file:
        if file.read(7)[6:] != b"\x01":  # later versions have headers of up to 4 GiB, which no array of numbers needs
            raise ValueError("not of version 1")
    with np.errstate(over="raise"):  # of the shape
        return np.lib.format.open_memmap(path, mode="r")


def read_each(
    items: Iterable[T], read: Callable[[T], R], report: Callable[[str], None], *, skip_bad: bool = False
) -> list[tuple[T, R]]:
    """Read many recordings; each bad one is reported, and fails the whole unless ``skip_bad``."""
    good, bad = [], 0
    for item in items:
        try:
            good.append((item, read(item)))
        except AudioError as error:
            report(str(error))
            bad += 1
    if bad and not skip_bad:
        raise AudioError(
            f"{bad} of {bad + len(good)} recordings cannot be used (named above); "
            f"repair or remove them, or pass --skip-bad"
        )
    if not good:
        raise AudioError("no recording could be read")
    return good
