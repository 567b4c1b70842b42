"""Log-mel spectrogram: the one definition of edgeae's features.

    samples   |----------------------------------------------------------> 16 kHz
    frame 0   [======= n_fft =======]
    frame 1          [======= n_fft =======]          frame k covers samples
    frame 2                 [======= n_fft =======]   [k*hop, k*hop + n_fft)
              |-hop-|

A frame is windowed, Fourier transformed, squared, summed into mel bands and turned into dB. No
frame knows another one: no centring, no padding, no clip-global step.

Frames are computed a block at a time, and the blocks are counted from the start of the sound, however
it arrives: a frame is always in the same row of matrices of the same shape. Streaming is therefore
bit-identical to offline for any size of what is pushed. The transform of a frame, in float64, is 25 k
operations; as products of matrices it would be eight times as many. The triangles of the bands overlap
their neighbours alone, so that a few narrow products sum them.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..system.arrays import Float32

BLOCK = 32  # frames computed at once: 0.6 MB, which stays in the L2 cache
BANDS_AT_ONCE = 32  # of a product: fewer are more calls, more are more zeros


@dataclass(frozen=True)
class MelSpec:
    """Parameters of the log-mel spectrogram; the same object serves training and device.

    The mel scale is Slaney's (Auditory Toolbox, 1998) with triangles of equal area, or HTK's
    (``scale="htk"``). Powers below ``10 ** (floor_db / 10)`` are raised to it.
    """

    sample_rate: int = 16000  # Hz
    n_fft: int = 1024  # samples, also the length of the periodic Hann window
    hop: int = 512  # samples
    n_mels: int = 128
    f_min: float = 0.0  # Hz
    f_max: float = 8000.0  # Hz
    scale: str = "slaney"
    floor_db: float = -100.0

    def __post_init__(self) -> None:
        limits = {
            "sample_rate": (4000, 384000),
            "n_fft": (32, 16384),
            "hop": (max(8, self.n_fft // 32), self.n_fft),
            "n_mels": (4, 512),
        }
        limits["floor_db"] = (-300, 0)  # the lowest that float32 holds as a power
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"mel: {name} is {getattr(self, name)}; allowed is {low} to {high}"
                )
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"mel: the band from f_min {self.f_min} to f_max {self.f_max} Hz does not lie within "
                f"0 to {self.sample_rate / 2} Hz"
            )
        if self.scale not in ("slaney", "htk"):
            raise ConfigError(f"mel: scale is {self.scale!r}; allowed are 'slaney' and 'htk'")
        _tables(self)  # a band may hold no Fourier bin

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
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

    def to_dict(self) -> dict[str, Any]:
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
    linear = hz * 3 / 200  # below 1 kHz: 15 mel at 1 kHz, then 27 steps per factor 6.4
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
    slopes = (bins[None] - edges[:, None]) / np.diff(edges, append=np.inf)[
        :, None
    ]  # from edge i to i + 1
    triangles = np.maximum(0, np.minimum(slopes[:-2], 1 - slopes[1:-1]))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@dataclass(frozen=True)
class _Bands:
    """Neighbouring mel bands, and the bins that they are made of."""

    bands: slice
    bins: slice
    weights: Float32  # (n_bins, n_bands)


@dataclass(frozen=True)
class _Tables:
    window: NDArray[np.float64]  # (n_fft,)
    bank: tuple[_Bands, ...]


@lru_cache(maxsize=8)
def _tables(spec: MelSpec) -> _Tables:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.n_fft) / spec.n_fft)
    bank = filter_bank(spec)
    empty = np.flatnonzero(~bank.any(axis=1))
    if len(empty):
        raise ConfigError(
            f"mel: band {empty[0]} holds no Fourier bin; use fewer n_mels or a longer n_fft"
        )
    return _Tables(
        hann, tuple(_part(bank, first) for first in range(0, spec.n_mels, BANDS_AT_ONCE))
    )


def _part(bank: Float32, first: int) -> _Bands:
    bands = slice(first, min(first + BANDS_AT_ONCE, len(bank)))
    used = np.flatnonzero(bank[bands].any(axis=0))
    bins = slice(int(used[0]), int(used[-1]) + 1)
    return _Bands(bands, bins, np.ascontiguousarray(bank[bands, bins].T))


class _ThreadScratch(threading.local):
    """The scratch of a thread, which all of its streams use in turn."""

    size = (0, 0)
    arrays: tuple[NDArray[np.float64], NDArray[np.complex128], Float32]


_thread_scratch = _ThreadScratch()


def _scratch(
    frames: int, n_fft: int
) -> tuple[NDArray[np.float64], NDArray[np.complex128], Float32]:
    """Room for windowed samples, their spectrum and its power, (frames, ...) each."""
    if _thread_scratch.size != (frames, n_fft):
        bins = n_fft // 2 + 1
        arrays = (
            np.empty((frames, n_fft)),
            np.empty((frames, bins), np.complex128),
            np.empty((frames, bins), np.float32),
        )
        _thread_scratch.size, _thread_scratch.arrays = (frames, n_fft), arrays
    return _thread_scratch.arrays


def log_mel(samples: NDArray[np.floating[Any]], spec: MelSpec | None = None) -> Float32:
    """Log-mel spectrogram of a whole recording.

    samples: (n,), full scale 1, at ``spec.sample_rate``. Returns (n_frames, n_mels), dB.

    >>> log_mel(np.zeros(16000)).shape
    (30, 128)
    """
    return np.concatenate(list(MelStream(spec).frames([samples])))


class MelStream:
    """The same spectrogram from sound that comes in pieces of any size.

    >>> stream = MelStream()
    >>> [len(stream.push(np.zeros(7000))) for _ in range(3)], len(stream.rest())
    ([0, 0, 32], 8)
    """

    def __init__(self, spec: MelSpec | None = None, block: int = BLOCK) -> None:
        """block: frames that are given at once."""
        self.spec, self._block = spec or MelSpec(), block
        self._tables = _tables(self.spec)
        self._held = 0  # samples of the block that is being heard
        self._sound = np.zeros((block - 1) * self.spec.hop + self.spec.n_fft, np.float32)
        self._frames = np.lib.stride_tricks.sliding_window_view(self._sound, self.spec.n_fft)[
            :: self.spec.hop
        ]

    def frames(self, sound: Iterable[NDArray[np.floating[Any]]]) -> Iterator[Float32]:
        """Of sound that ends, pieces (n,): all of its frames, (n_frames, n_mels) dB in blocks."""
        for samples in sound:
            yield self.push(samples)
        yield self.rest()

    def push(self, samples: NDArray[np.floating[Any]]) -> Float32:
        """The blocks of frames that ``samples`` (n,) complete: (n_blocks * block, n_mels), dB."""
        done = [np.empty((0, self.spec.n_mels), np.float32)]
        while len(samples):
            part = samples[: len(self._sound) - self._held]
            self._sound[self._held : self._held + len(part)] = part
            self._held, samples = self._held + len(part), samples[len(part) :]
            if self._held == len(self._sound):
                done.append(self._log_mel())
                heard = self._block * self.spec.hop
                self._held -= heard
                self._sound[: self._held] = self._sound[heard:]
        return np.concatenate(done)

    def rest(self) -> Float32:
        """The complete frames of the block that the end of the sound leaves incomplete: (n, n_mels), dB."""
        frames = self.spec.n_frames(self._held)
        self.reset()
        return self._log_mel()[:frames] if frames else np.empty((0, self.spec.n_mels), np.float32)

    def reset(self) -> None:
        """Forget the samples of an incomplete block, as after a gap in the audio."""
        self._held = 0

    def _log_mel(self) -> Float32:
        """(block, n_mels) dB of the sound held."""
        mel = np.empty((self._block, self.spec.n_mels), np.float32)
        for first in range(0, self._block, BLOCK):
            frames = self._frames[first : first + BLOCK]
            windowed, spectrum, power = _scratch(len(frames), self.spec.n_fft)
            np.multiply(frames, self._tables.window, out=windowed)
            parts = np.fft.rfft(windowed, out=spectrum).view(
                np.float64
            )  # real and imaginary in turn
            np.square(parts, out=parts)
            np.add(parts[:, ::2], parts[:, 1::2], out=power, casting="same_kind")
            for part in self._tables.bank:
                np.matmul(
                    power[:, part.bins], part.weights, out=mel[first : first + BLOCK, part.bands]
                )
        np.log10(np.maximum(mel, np.float32(10 ** (self.spec.floor_db / 10)), out=mel), out=mel)
        return np.multiply(mel, np.float32(10), out=mel)
