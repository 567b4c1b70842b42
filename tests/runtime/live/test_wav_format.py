"""The samples of a WAV stream."""

import struct

import numpy as np
import pytest

from edgeae.runtime.errors import AudioError
from edgeae.runtime.live.wav_format import WavFormat


def chunk(kind: int, channels: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, 48000, 48000 * frame, frame, bits)


@pytest.mark.parametrize(
    ("kind", "bits", "name"),
    [(1, 8, "U8"), (1, 16, "S16_LE"), (1, 24, "S24_3LE"), (1, 32, "S32_LE"), (3, 32, "FLOAT_LE")],
)
def test_a_chunk_names_the_samples(kind: int, bits: int, name: str) -> None:
    form = WavFormat.of(chunk(kind, 3, bits))
    assert form == WavFormat(name, 3, 48000, 3 * bits // 8)
    assert form.decode(bytes(form.frame_bytes * 7 + 1)).shape == (7, 3)


def test_an_extensible_chunk_names_them_behind() -> None:
    extension = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    assert WavFormat.of(chunk(0xFFFE, 1, 16) + extension).name == "S16_LE"


def test_samples_have_full_scale_1() -> None:
    unsigned = WavFormat.of(chunk(1, 1, 8)).decode(bytes([0, 128, 255]))
    np.testing.assert_array_equal(unsigned[:, 0], np.array([-1, 0, 127 / 128], np.float32))
    double = WavFormat.of(chunk(3, 2, 64)).decode(np.array([0.5, -0.25], "<f8").tobytes())
    np.testing.assert_array_equal(double, np.array([[0.5, -0.25]], np.float32))


@pytest.mark.parametrize(
    "content", [b"", bytes(8), chunk(2, 1, 4), chunk(7, 1, 8), chunk(1, 0, 16)]
)
def test_other_samples_are_refused(content: bytes) -> None:
    with pytest.raises(AudioError, match="convert it, or name the file"):
        WavFormat.of(content)
