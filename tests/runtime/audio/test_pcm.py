"""Raw PCM samples."""

import numpy as np
import pytest

from edgeae.runtime.audio.pcm import FORMATS, decode, to_int16
from tests.runtime.capture.fakes import encode

INTEGERS = np.array([0, 1, -1, 2**15 - 1, -(2**15), 12345, -6789], np.int64)


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_decode_is_exact(encoding: str, channels: int) -> None:
    values = np.repeat(INTEGERS, channels).reshape(-1, channels)
    decoded = decode(encode(values.ravel(), encoding), encoding, channels)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, values / 2**15)


def test_decode_keeps_all_24_bits_and_stays_below_one() -> None:
    values = np.array([1, -1, 2**23 - 1, -(2**23)], "<i4")
    packed = values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    np.testing.assert_array_equal(decode(packed, "S24_3LE", 1)[:, 0], values / 2**23)
    full_scale = np.array([2**31 - 1], "<i4").tobytes()
    assert decode(full_scale, "S32_LE", 1)[0, 0] < 1


@pytest.mark.parametrize("encoding", FORMATS)
def test_no_bytes_are_no_samples(encoding: str) -> None:
    assert decode(b"", encoding, 2).shape == (0, 2)


def test_the_lowest_8_of_32_bits_are_dropped() -> None:
    raw = np.array([0x12345678], "<i4").tobytes()
    assert decode(raw, "S32_LE", 1)[0, 0] == np.float32(0x123456 / 2**23)


def test_16_bits_come_back_exactly() -> None:
    samples = np.arange(-(2**15), 2**15, dtype=np.int16)
    np.testing.assert_array_equal(to_int16(decode(samples.tobytes(), "S16_LE", 1)[:, 0]), samples)


def test_samples_beyond_full_scale_are_clipped() -> None:
    samples = np.array([1.0, 7.0, -1.0, -7.0], np.float32)
    assert to_int16(samples).tolist() == [32767, 32767, -32768, -32768]
