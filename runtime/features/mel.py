"""Log-mel spectrogram: the one definition of edgeae's features.

    samples   |----------------------------------------------------------> 16 kHz
    frame 0   [======= n_fft =======]
    frame 1          [======= n_fft =======]          frame k covers samples
    frame 2                 [======= n_fft =======]   [k*hop, k*hop + n_fft)
              |-hop-|

Each frame is multiplied by a window, Fourier transformed, squared (or not, with ``power=1``),
summed into mel bands and converted to dB. A frame depends on its own samples only: there is no
centring, no padding, and no step over a whole recording.

Frames are computed in blocks that are counted from the start of the sound, so that a frame is
always in the same row of matrices of the same shape. A stream therefore gives the same bits as a
whole recording, for pieces of any size. The Fourier transform of a frame in float64 takes 25 k
operations; a matrix product would take eight times as many. Each triangle of the filter bank
overlaps only its neighbours, so that a few narrow matrix products sum all bands.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..system.arrays import Float32

BLOCK_FRAMES = 32  # computed at once: 0.6 MB, which stays in the L2 cache
BANDS_PER_PRODUCT = 16  # fewer bands need more calls, more bands multiply more zeros
DB_PER_LOG = np.float32(10 / np.log(10))  # dB of a power in one unit of its natural logarithm

Sound = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class MelSpec:
    """Parameters of the log-mel spectrogram; the same object serves training and device.

    The mel scale is Slaney's (Auditory Toolbox, 1998) with triangles of equal area, or HTK's
    (``scale="htk"``). The bands sum the spectrum to the power of ``power``: 2 for energies, 1 for
    amplitudes. Levels below ``floor_db`` are raised to it.
    """

    sample_rate: int = 16000  # Hz
    n_fft: int = 1024  # samples, also the length of the periodic Hann window
    hop: int = 512  # samples
    n_mels: int = 128
    f_min: float = 0.0  # Hz
    f_max: float = 8000.0  # Hz
    scale: str = "slaney"
    power: int = 2
    floor_db: float = -100.0

    def __post_init__(self) -> None:
        limits = {
            "sample_rate": (4000, 384000),
            "n_fft": (32, 16384),
            "hop": (max(8, self.n_fft // 32), self.n_fft),
            "n_mels": (4, 512),
            "power": (1, 2),
            "floor_db": (-300, 0),  # float32 cannot hold lower powers
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"mel: {name} is {getattr(self, name)}; allowed is {low} to {high}"
                )
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"mel: the band from f_min {self.f_min} to f_max {self.f_max} Hz does not lie "
                f"within 0 to {self.sample_rate / 2} Hz"
            )
        if self.scale not in ("slaney", "htk"):
            raise ConfigError(f"mel: scale is {self.scale!r}; allowed are 'slaney' and 'htk'")
        # Raises ConfigError if a band holds no Fourier bin.
        _tables(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The spec written by `to_dict`; ConfigError for unknown keys or impossible values."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ConfigError(f"mel: unknown parameters {sorted(unknown)}")
        kinds: dict[str, type] = {"scale": str, "f_min": float, "f_max": float, "floor_db": float}
        for key, value in values.items():
            kind = kinds.get(key, int)
            if isinstance(value, bool) or not isinstance(
                value, (int, float) if kind is float else kind
            ):
                raise ConfigError(
                    f"mel: {key} is {value!r:.40}; allowed is one of type {kind.__name__}"
                )
        try:
            return cls(**{key: kinds.get(key, int)(value) for key, value in values.items()})
        except OverflowError as error:
            raise ConfigError(f"mel: {error}") from error

    def to_dict(self) -> dict[str, int | float | str]:
        """The parameters by name, as `from_dict` reads them."""
        return asdict(self)

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop

    def n_frames(self, n_samples: int) -> int:
        """Complete frames in ``n_samples`` samples."""
        return max(0, (n_samples - self.n_fft) // self.hop + 1)


def _hz_to_mel(hz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hz / 700))
    # Linear up to 15 mel at 1 kHz, then 27 mel for each factor of 6.4.
    linear = hz * 3 / 200
    return np.where(hz < 1000, linear, 15 + np.log(np.maximum(hz, 1000) / 1000) * 27 / np.log(6.4))


def _mel_to_hz(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def band_edges(spec: MelSpec) -> NDArray[np.float64]:
    """(n_mels + 2,) Hz: band i rises from edge i to i + 1 and falls to edge i + 2."""
    ends = _hz_to_mel(np.array([spec.f_min, spec.f_max]), spec.scale)
    return _mel_to_hz(np.linspace(ends[0], ends[1], spec.n_mels + 2), spec.scale)


def filter_bank(spec: MelSpec) -> Float32:
    """(n_mels, n_fft // 2 + 1) triangles of area 1, weights per Hz."""
    edges = band_edges(spec)
    bins = np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate)
    widths = np.diff(edges, append=np.inf)
    slopes = (bins[None] - edges[:, None]) / widths[:, None]  # row i is 0 at edge i, 1 at i + 1
    triangles = np.maximum(0, np.minimum(slopes[:-2], 1 - slopes[1:-1]))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@dataclass(frozen=True)
class _Bands:
    """Neighbouring mel bands, and the Fourier bins that they sum."""

    bands: slice
    parts: slice  # of these bins: the real part of each, followed by its imaginary part
    weights: Float32  # (n_parts, n_bands)


@dataclass(frozen=True)
class _Tables:
    window: NDArray[np.float64]  # (n_fft,)
    bank: tuple[_Bands, ...]
    floor: np.float32  # the lowest power, or amplitude with ``power=1``
    db_per_log: np.float32  # dB of one unit of its natural logarithm


@lru_cache(maxsize=8)
def _tables(spec: MelSpec) -> _Tables:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.n_fft) / spec.n_fft)
    bank = filter_bank(spec)
    empty = np.flatnonzero(~bank.any(axis=1))
    if len(empty):
        raise ConfigError(
            f"mel: band {empty[0]} holds no Fourier bin; use fewer n_mels or a longer n_fft"
        )
    firsts = range(0, spec.n_mels, BANDS_PER_PRODUCT)
    db_per_log = DB_PER_LOG * (2 / np.float32(spec.power))
    return _Tables(
        window=hann,
        bank=tuple(_part(bank, first) for first in firsts),
        floor=np.float32(np.exp(spec.floor_db / db_per_log)),
        db_per_log=db_per_log,
    )


def _part(bank: Float32, first: int) -> _Bands:
    bands = slice(first, min(first + BANDS_PER_PRODUCT, len(bank)))
    used = np.flatnonzero(bank[bands].any(axis=0))
    bins = slice(int(used[0]), int(used[-1]) + 1)
    weights = np.repeat(bank[bands, bins].T, 2, axis=0)  # of both parts of a bin
    return _Bands(bands, slice(2 * bins.start, 2 * bins.stop), weights)


class _ThreadScratch(threading.local):
    """The scratch arrays of a thread, which all of its streams use in turn."""

    size = (0, 0)  # n_frames, n_fft
    arrays: tuple[NDArray[np.float64], NDArray[np.complex128], Float32]


_thread_scratch = _ThreadScratch()


def _scratch(
    frames: int, n_fft: int
) -> tuple[NDArray[np.float64], NDArray[np.complex128], Float32]:
    """Arrays for the windowed samples, their spectrum, and the squares of its real and imaginary
    parts in turn, (frames, ...) each."""
    if _thread_scratch.size != (frames, n_fft):
        bins = n_fft // 2 + 1
        arrays = (
            np.empty((frames, n_fft)),
            np.empty((frames, bins), np.complex128),
            np.zeros((frames, 2 * bins), np.float32),
        )
        _thread_scratch.size = (frames, n_fft)
        _thread_scratch.arrays = arrays
    return _thread_scratch.arrays


def log_mel(samples: Sound, spec: MelSpec | None = None) -> Float32:
    """Log-mel spectrogram of a whole recording.

    samples: (n,), full scale 1, at ``spec.sample_rate``. Returns (n_frames, n_mels), dB.

    >>> log_mel(np.zeros(16000)).shape
    (30, 128)
    """
    return np.concatenate(list(MelStream(spec).frames([samples])))


class MelStream:
    """Computes the same spectrogram from sound that arrives in pieces of any size.

    >>> stream = MelStream()
    >>> [len(stream.push(np.zeros(7000))) for _ in range(3)], len(stream.rest())
    ([0, 0, 32], 8)
    """

    def __init__(self, spec: MelSpec | None = None, block: int = BLOCK_FRAMES) -> None:
        """block: number of frames that `push` returns at once."""
        self.spec = spec or MelSpec()
        self._block = block
        self._tables = _tables(self.spec)
        self._held = 0  # samples of the incomplete block
        self._n_overlap = self.spec.n_fft - self.spec.hop  # samples that two blocks share
        self._sound = np.zeros(self._n_overlap + block * self.spec.hop, np.float32)
        itemsize = self._sound.itemsize
        # A view (block, n_fft): row k is frame k.
        self._frames: Float32 = np.ndarray(
            (block, self.spec.n_fft),
            np.float32,
            self._sound,
            strides=(self.spec.hop * itemsize, itemsize),
        )

    def frames(self, sound: Iterable[Sound]) -> Iterator[Float32]:
        """All frames (n_frames, n_mels), dB, in blocks, of sound that comes in pieces (n,)."""
        for samples in sound:
            yield self.push(samples)
        yield self.rest()

    def push(self, samples: Sound) -> Float32:
        """The blocks of frames that ``samples`` (n,) complete: (n_blocks * block, n_mels), dB."""
        n_finished = len(self._sound) - self._n_overlap  # samples that no later block needs
        n_blocks = max(0, (self._held + len(samples) - self._n_overlap) // n_finished)
        mel = np.empty((n_blocks * self._block, self.spec.n_mels), np.float32)
        for first in range(0, len(mel), self._block):
            samples = self._hold(samples)
            self._mel_power(mel[first : first + self._block])
            self._held = self._n_overlap
            self._sound[: self._held] = self._sound[n_finished:]
        self._hold(samples)
        return self._decibels(mel)

    def _hold(self, samples: Sound) -> Sound:
        """Add samples (n,) to the incomplete block; returns those that are beyond it."""
        n_new = min(len(samples), len(self._sound) - self._held)
        self._sound[self._held : self._held + n_new] = samples[:n_new]
        self._held += n_new
        return samples[n_new:]

    @property
    def n_held(self) -> int:
        """Samples of the incomplete block."""
        return self._held

    def rest(self) -> Float32:
        """The complete frames (n, n_mels), dB, of the incomplete block at the end of the sound."""
        n_frames = self.spec.n_frames(self._held)
        self.reset()
        mel = np.empty((self._block, self.spec.n_mels), np.float32)
        if n_frames:
            self._mel_power(mel, n_frames)
        return self._decibels(mel[:n_frames])

    def reset(self) -> None:
        """Forget the samples of an incomplete block, as after a gap in the audio."""
        self._held = 0

    def _mel_power(self, mel: Float32, n_frames: int | None = None) -> None:
        """Write the power in each band of the frames of the sound held to ``mel`` (block, n_mels);
        the amplitude, with ``power=1``.

        n_frames: how many are needed, if not all; those after them are not of this sound.
        """
        n_needed = n_frames or self._block
        for first in range(0, n_needed, BLOCK_FRAMES):
            rows = mel[first : first + BLOCK_FRAMES]
            frames = self._frames[first : min(first + BLOCK_FRAMES, n_needed)]
            windowed, spectrum, squares = _scratch(len(rows), self.spec.n_fft)
            n = len(frames)
            np.multiply(frames, self._tables.window, out=windowed[:n])
            np.fft.rfft(windowed[:n], out=spectrum[:n])
            # A view on the real and imaginary parts in turn. The products below add the two.
            squares[:n] = spectrum[:n].view(np.float64)
            np.square(squares[:n], out=squares[:n])
            if self.spec.power == 1:
                squares[:n, ::2] = np.sqrt(squares[:n, ::2] + squares[:n, 1::2])
                squares[:n, 1::2] = 0
            # Of all rows, because a product of another shape can have other bits.
            for part in self._tables.bank:
                np.matmul(squares[:, part.parts], part.weights, out=rows[:, part.bands])

    def _decibels(self, mel: Float32) -> Float32:
        """Convert power, or amplitude, to dB in place; returns the same array."""
        if not len(mel):
            return mel
        np.maximum(mel, self._tables.floor, out=mel)
        # NumPy computes the natural logarithm four times as fast as that to base 10.
        np.log(mel, out=mel)
        np.multiply(mel, self._tables.db_per_log, out=mel)
        return mel
