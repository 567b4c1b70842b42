"""The samples of a WAV stream, by its chunk ``fmt``."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..audio.pcm import decode
from ..errors import AudioError
from ..system.arrays import Float32

PCM = 1
FLOAT = 3
EXTENSIBLE = 0xFFFE  # the kind follows further behind
KINDS = {
    (PCM, 8): "U8",
    (PCM, 16): "S16_LE",
    (PCM, 24): "S24_3LE",
    (PCM, 32): "S32_LE",
    (FLOAT, 32): "FLOAT_LE",
    (FLOAT, 64): "FLOAT64_LE",
}
MAX_CHANNELS = 1024


@dataclass(frozen=True)
class WavFormat:
    """How the frames of a WAV are stored."""

    name: str  # one of KINDS
    channels: int
    samplerate: int  # Hz
    frame_bytes: int

    @classmethod
    def of(cls, chunk: bytes) -> Self:
        """The format of a chunk ``fmt``; AudioError for samples that are compressed."""
        kind = int.from_bytes(chunk[:2], "little")
        channels = int.from_bytes(chunk[2:4], "little")
        samplerate = int.from_bytes(chunk[4:8], "little")
        bits = int.from_bytes(chunk[14:16], "little")
        if kind == EXTENSIBLE:
            kind = int.from_bytes(chunk[24:26], "little")
        name = KINDS.get((kind, bits))
        if name is None or not 1 <= channels <= MAX_CHANNELS:
            raise AudioError(
                f"stdin: a WAV with {channels} channels of {bits} bits of kind {kind}; from a pipe "
                f"PCM of 8 to 32 bits and floating point are read: convert it, or name the file"
            )
        return cls(name, channels, samplerate, channels * bits // 8)

    def decode(self, raw: bytes) -> Float32:
        """Whole frames of ``raw`` as (frames, channels), full scale 1; a rest is dropped."""
        raw = raw[: len(raw) // self.frame_bytes * self.frame_bytes]
        if self.name == "U8":
            unsigned = np.frombuffer(raw, np.uint8).astype(np.float32)
            scaled = (unsigned - np.float32(128)) / np.float32(128)
            return np.asarray(scaled, np.float32).reshape(-1, self.channels)
        if self.name == "FLOAT64_LE":
            with np.errstate(over="ignore"):
                return np.frombuffer(raw, "<f8").astype(np.float32).reshape(-1, self.channels)
        return decode(raw, self.name, self.channels)
