"""Raw PCM samples: formats, decoding and encoding."""

import numpy as np
from numpy.typing import NDArray

from ..system.arrays import Float32

# In order of preference, with the numbers of snd_pcm_format_t and the bytes of a sample. 16 bits
# come first: every device that has them does them best, and their noise is far below a
# microphone's.
FORMATS = {"S16_LE": (2, 2), "S32_LE": (10, 4), "S24_3LE": (32, 3), "FLOAT_LE": (14, 4)}
INT16_SCALE = 2**15
INT24_SCALE = 2**23

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
