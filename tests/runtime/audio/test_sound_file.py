"""Recordings, good and bad."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.level import level_dbfs
from edgeae.runtime.audio.sound_file import AudioFile, samplerate_of
from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec
from tests.runtime.conftest import read_samples

SECOND = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.float32)
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 40000).astype(np.float32)
fixed = settings(derandomize=True, deadline=None, max_examples=50)


def encoded(
    samples: NDArray[Any],
    samplerate: int = 16000,
    *,
    file_format: str = "WAV",
    subtype: str = "PCM_16",
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, samplerate, format=file_format, subtype=subtype)
    return buffer.getvalue()


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def with_sample(value: float, subtype: str = "FLOAT") -> bytes:
    samples = SECOND.astype(np.float64)
    samples[777] = value
    return encoded(samples, subtype=subtype)


def refusal(path: Path, read: Callable[[], object]) -> str:
    """The one sentence that names the file."""
    with pytest.raises(AudioError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


WAV = encoded(SECOND)
FLAC = encoded(SECOND, file_format="FLAC")
OGG = encoded(SECOND, file_format="OGG", subtype="VORBIS")
BAD = {
    "empty.wav": (b"", "the file is empty (0 bytes)"),
    "short header.wav": (WAV[:20], "not a readable WAV, FLAC, OGG, MP3 or AIFF file"),
    "no samples.wav": (WAV[:44], "a header but no samples"),
    "rate 0.wav": (patched(WAV, 24, bytes(4)), "its sample rate is 0 Hz"),
    "rate 1.wav": (
        patched(WAV, 24, b"\1\0\0\0"),
        "the sample rate is 1 Hz; allowed is 4000 to 384000 Hz",
    ),
    "no channels.wav": (patched(WAV, 22, bytes(2)), "Channel count is zero"),
    "text.wav": (b"This is no sound.\n" * 100, "Format not recognised"),
    "text.raw": (b"This is no sound.\n" * 100, "not a readable WAV, FLAC, OGG, MP3 or AIFF file"),
    "nan.wav": (with_sample(np.nan), "not numbers"),
    "infinite.wav": (with_sample(-np.inf), "not numbers"),
    "beyond float32.wav": (with_sample(1e300, "DOUBLE"), "not numbers"),
    "absurd.wav": (with_sample(1e30), "holds samples of 1e+30 times full scale"),
    "truncated.flac": (
        FLAC[: len(FLAC) // 2],
        "cut short, the end of its 16000 samples is missing",
    ),
    "integers.wav": (
        encoded(np.rint(SECOND * 2**15), subtype="FLOAT"),
        "holds samples of up to 16384 where full scale is 1 (+81 dBFS), as of integers of 16 bits "
        "that were stored as floating point; divide them by 32768",
    ),
    "quiet integers.wav": (encoded(np.rint(SECOND * 16), subtype="FLOAT"), "divide them by 32768"),
    "scaled.wav": (encoded(SECOND * 2**15 + 0.3, subtype="DOUBLE"), "divide them by 32768"),
    "integers of 24 bits.wav": (encoded(SECOND * 2**23, subtype="FLOAT"), "divide them by 8388608"),
    "damaged.flac": (patched(FLAC, len(FLAC) // 2, bytes(200)), "damaged after"),
    "short header.flac": (FLAC[:30], "not a readable WAV, FLAC, OGG, MP3 or AIFF file"),
    "short header.ogg": (OGG[:100], "cut short, "),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_recording_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, expected = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert expected in refusal(path, lambda: read_samples(path, 16000))
    assert expected in refusal(path, lambda: read_log_mel(path, MelSpec()))


@pytest.mark.parametrize("name", ["missing.wav", "missing.npy", "missing/a.wav", "."])
def test_a_missing_recording_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert "no such file" in refusal(path, lambda: read_log_mel(path, MelSpec()))


@pytest.mark.parametrize("channel", [2, 99, -1])
def test_a_channel_that_does_not_exist_is_refused(channel: int, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(encoded(np.stack([SECOND, -SECOND], axis=1)))
    message = refusal(path, lambda: read_samples(path, 16000, channel))
    assert f"channel {channel} was asked for but the file has 2, counted from 0" in message


@pytest.mark.parametrize("data", [WAV, FLAC, OGG], ids=["wav", "flac", "ogg"])
def test_a_cut_recording_is_refused_or_read_but_never_crashes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    for end in np.unique(np.linspace(1, len(data) - 1, 40).astype(int)):
        path.write_bytes(data[:end])
        try:
            assert 0 < len(read_samples(path, 16000)) <= 16000
        except AudioError as error:
            assert str(error).startswith(f"{path}: ")


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), source=st.sampled_from([WAV[:4044], FLAC, OGG]))
def test_a_damaged_recording_is_refused_or_read_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, source: bytes
) -> None:
    damaged = bytearray(source)
    for at in data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    path.write_bytes(damaged)
    try:
        assert np.isfinite(read_samples(path, 16000)).all()
    except AudioError as error:
        assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("file_format", "subtype", "worst"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1 / 32768),
        ("WAV", "PCM_24", 1 / 2**23),
        ("WAV", "PCM_32", 1e-7),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAVEX", "PCM_24", 1 / 2**23),
        ("FLAC", "PCM_16", 1 / 32768),
        ("FLAC", "PCM_24", 1 / 2**23),
        ("OGG", "VORBIS", 0.1),
    ],
)
def test_every_encoding_is_read_at_full_scale_1(
    file_format: str, subtype: str, worst: float, tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(SECOND, file_format=file_format, subtype=subtype))
    samples = read_samples(path, 16000)
    assert samples.dtype == np.float32
    assert samples.shape == SECOND.shape
    np.testing.assert_allclose(samples, SECOND, rtol=0, atol=worst)


@pytest.mark.parametrize("samplerate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_a_tone_is_the_same_at_every_sample_rate(samplerate: int, tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(
        encoded(0.5 * np.sin(2 * np.pi * 1000 * np.arange(samplerate) / samplerate), samplerate)
    )
    samples = read_samples(path, 16000)
    assert abs(len(samples) - 16000) <= 1
    np.testing.assert_allclose(samples[800:15200], SECOND[800:15200], rtol=0, atol=1e-3)


@pytest.mark.parametrize("samplerate", [44100, 48000, 96000])
def test_what_is_above_the_new_band_does_not_fold_into_it(samplerate: int, tmp_path: Path) -> None:
    path = tmp_path / "ultrasound.wav"
    path.write_bytes(
        encoded(0.5 * np.sin(2 * np.pi * 11000 * np.arange(samplerate) / samplerate), samplerate)
    )
    assert level_dbfs(read_samples(path, 16000)[800:15200]) < -85


@pytest.mark.parametrize(
    ("channel", "expected"), [(0, 0.25), (1, -0.5), (2, 0.125), ("mix", (0.25 - 0.5 + 0.125) / 3)]
)
def test_one_channel_is_chosen_or_all_are_mixed(
    channel: Channel, expected: float, tmp_path: Path
) -> None:
    path = tmp_path / "three.wav"
    path.write_bytes(encoded(np.tile([0.25, -0.5, 0.125], (500, 1)), subtype="FLOAT"))
    np.testing.assert_array_equal(
        read_samples(path, 16000, channel), np.full(500, np.float32(expected))
    )


@fixed
@given(seconds=st.floats(1e-3, 3))
def test_blocks_of_any_length_hold_every_sample_once(
    tmp_path_factory: pytest.TempPathFactory, seconds: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.wav"
    path.write_bytes(encoded(NOISE, subtype="FLOAT"))
    with AudioFile(path) as audio:
        blocks = list(audio.blocks(seconds))
    np.testing.assert_array_equal(np.concatenate(blocks), NOISE)
    assert max(map(len, blocks)) <= max(1, seconds * 16000)


def test_a_wav_shorter_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match="cut short, 12044 bytes are missing"):
        AudioFile(path)


def test_a_wav_of_a_recorder_that_was_killed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = (0x7FFFFFFF).to_bytes(4, "little")
    path.write_bytes(content)
    with AudioFile(path) as audio:
        assert sum(map(len, audio.blocks())) == 16000


def test_the_sample_rate_is_that_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(SECOND, 22050))
    assert samplerate_of(path) == 22050
    assert samplerate_of(tmp_path / "precomputed.NPY") == 0


def test_a_recording_of_more_than_a_day_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    path.write_bytes(encoded(np.zeros(4000 * 3600 * 26, np.int16), 4000, file_format="FLAC"))
    with pytest.raises(AudioError, match="lasts 26 hours; at most 25 are read at once"):
        AudioFile(path)
