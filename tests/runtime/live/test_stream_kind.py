"""What a stream is by its first bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.live.stream_kind import SIGNATURES, stream_kind


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_says_the_kind(signature: bytes) -> None:
    assert stream_kind(signature + bytes(100)) == SIGNATURES[signature]


def test_an_avi_is_no_wav() -> None:
    assert stream_kind(b"RIFF\0\1\0\0AVI LIST") == "AVI"
    assert stream_kind(b"RIFF\0\1\0\0WAVEfmt ") == "WAV"


@pytest.mark.parametrize("constant", [0, 0x47, 0xFF, 0x80])
def test_a_constant_is_raw_pcm(constant: int) -> None:
    assert stream_kind(bytes([constant]) * 4096) is None


@given(st.integers(0, 1 << 32))
def test_noise_is_raw_pcm(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 1000, 2048).astype("<i2")
    assert stream_kind(noise.tobytes()) is None


@given(st.binary(max_size=5000))
def test_any_bytes_have_a_kind_or_none(head: bytes) -> None:
    assert stream_kind(head) in {*SIGNATURES.values(), "AVI", "MP4", "AAC", "MPEG-TS", None}
