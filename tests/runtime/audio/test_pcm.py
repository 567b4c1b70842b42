"""Raw PCM samples."""

import numpy as np
import pytest

from edgeae.runtime.audio.pcm import FORMATS, decode
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
