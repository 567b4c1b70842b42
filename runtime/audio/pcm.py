"""Raw PCM samples: formats, decoding and encoding, and plain WAV files of them.

A plain WAV file is read here: libsndfile takes as long to open it as a second of its sound takes to
score.

    0      4     8      12     16  20   22         24      28    32      34    36     40    44
    | RIFF | size | WAVE | fmt  | 16 | 1 | channels | rate | bytes | align | 16 | data | size | ...
"""

import os
import struct
from io import FileIO
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..system.arrays import Float32

# In order of preference, with the numbers of snd_pcm_format_t and the bytes of a sample. 16 bits
# come first: every device that has them does them best, and their noise is far below a
# microphone's.
FORMATS = {"S16_LE": (2, 2), "S32_LE": (10, 4), "S24_3LE": (32, 3), "FLOAT_LE": (14, 4)}
INT16_SCALE = 2**15
INT24_SCALE = 2**23

PLAIN_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")
MAX_CHANNELS = 1024  # of a plain WAV file, as in libsndfile

Pcm = NDArray[np.int16]


def to_int16(samples: Float32) -> Pcm:
    """(n,) full scale 1 -> (n,) of 16 bits; samples that came from 16 bits are restored exactly."""
    scaled = np.rint(samples * np.float32(INT16_SCALE))
    return np.asarray(np.clip(scaled, -INT16_SCALE, INT16_SCALE - 1).astype(np.int16))


def decode(raw: bytes | bytearray, encoding: str, channels: int) -> Float32:
    """Interleaved samples in one of FORMATS as float32 `(frames, channels)`, full scale 1.

    Exact except for the lowest 8 of 32 bits: float32 has room for 24, and no device has more.
    """
    if encoding == "FLOAT_LE":
        samples = np.frombuffer(raw, "<f4").astype(np.float32)
    elif encoding == "S16_LE":
        integers = np.frombuffer(raw, "<i2")
        samples = np.multiply(integers, np.float32(1 / INT16_SCALE), dtype=np.float32)
    elif encoding == "S24_3LE":
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return decode(padded.tobytes(), "S32_LE", channels)
    else:
        integers = np.frombuffer(raw, "<i4") >> 8
        samples = integers.astype(np.float32) / np.float32(INT24_SCALE)
    return samples.reshape(-1, channels)


class PlainWav:
    """An opened WAV file of 16 bits with the shortest header, in place of a `SoundFile`."""

    format = "WAV"
    subtype = "PCM_16"

    def __init__(self, file: FileIO, samplerate: int, channels: int, frames: int) -> None:
        self._file = file
        self.samplerate = samplerate
        self.channels = channels
        self.frames = frames

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """The file, at its first sample; None for any other kind, and for one that is damaged."""
        try:
            file = path.open("rb", buffering=0)
        except OSError:  # which `AudioFile` reports
            return None
        try:
            header = file.read(PLAIN_HEADER.size)
            layout = _plain_layout(header, os.fstat(file.fileno()).st_size)
        except OSError:
            layout = None
        if layout is None:
            file.close()
            return None
        return cls(file, *layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def read(self, frames: int, dtype: str = "int16", *, always_2d: bool = True) -> Pcm:
        """(n, channels) the next samples; fewer than ``frames`` if the file ends before."""
        samples = np.empty((frames, self.channels), "<i2")
        n_bytes = self._file.readinto(samples.data)
        return samples[: n_bytes // samples.strides[0]]


def _plain_layout(header: bytes, n_bytes: int) -> tuple[int, int, int] | None:
    """Sample rate in Hz, channels and frames of a plain WAV file; None for any other, or a part.

    header: its first bytes; n_bytes: its length.
    """
    if len(header) < PLAIN_HEADER.size:
        return None
    riff, _, wave, size, kind, channels, rate, _, align, bits, data, n_data = PLAIN_HEADER.unpack(
        header
    )
    is_plain = (riff, wave, size, kind, bits, data) == (b"RIFF", b"WAVEfmt ", 16, 1, 16, b"data")
    is_possible = rate > 0 and 1 <= channels <= MAX_CHANNELS and align == 2 * channels
    is_whole = 0 < n_data <= n_bytes - PLAIN_HEADER.size
    if not (is_plain and is_possible and is_whole):
        return None
    return rate, channels, n_data // align
