"""Raw PCM samples."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.audio.pcm import FORMATS, PlainWav, decode, to_int16
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


STEREO = np.random.default_rng(1).integers(-(2**15), 2**15, (1000, 2)).astype(np.int16)


def wav(path: Path, subtype: str = "PCM_16") -> bytes:
    soundfile.write(path, STEREO, 16000, subtype=subtype)
    return path.read_bytes()


def test_a_plain_wav_file_holds_the_samples_that_libsndfile_reads(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    wav(path)
    plain = PlainWav.open(path)
    assert plain is not None
    with plain:
        assert (plain.samplerate, plain.channels, plain.frames) == (16000, 2, 1000)
        parts = [plain.read(300), plain.read(700), plain.read(1)]
    assert [part.dtype for part in parts] == [np.int16] * 3
    np.testing.assert_array_equal(np.concatenate(parts), STEREO)


@pytest.mark.parametrize(
    ("place", "content"),
    [
        (0, b"RIFX"),
        (8, b"JUNK"),
        (16, b"\x12"),  # bytes of the format chunk
        (20, b"\x03"),  # floating point
        (22, b"\x00\x00"),  # channels
        (24, b"\x00\x00\x00\x00"),  # Hz
        (32, b"\x06"),  # bytes of a frame
        (34, b"\x18"),  # bits
        (36, b"LIST"),
        (40, b"\x00\x00\x00\x00"),  # bytes of sound
        (40, b"\xff\xff\xff\xff"),
    ],
)
def test_any_other_header_is_left_to_libsndfile(tmp_path: Path, place: int, content: bytes) -> None:
    path = tmp_path / "sound.wav"
    header = wav(path)
    path.write_bytes(header[:place] + content + header[place + len(content) :])
    assert PlainWav.open(path) is None


def test_a_file_that_is_missing_cut_short_or_in_another_format_is_left_to_libsndfile(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sound.wav"
    assert PlainWav.open(path) is None
    assert PlainWav.open(tmp_path) is None
    content = wav(path)
    for n_bytes in (0, 43, len(content) - 1):
        path.write_bytes(content[:n_bytes])
        assert PlainWav.open(path) is None
    wav(path, "PCM_24")
    assert PlainWav.open(path) is None
