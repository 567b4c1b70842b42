"""Raw PCM from a pipe."""

import io
import os
import signal
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.live.stdin import Pipe
from edgeae.runtime.live.stream import stopping
from edgeae.runtime.live.stream_kind import SIGNATURES, stream_kind

RATE = 16000


def blocks(raw: bytes, channels: int = 1, channel: Channel = 0) -> list[float]:
    pipe = Pipe("S16_LE", channels, RATE, channel, io.BytesIO(raw))
    return [float(sample) for block in pipe.blocks() for sample in block]


@given(st.binary(max_size=10_000).filter(lambda raw: stream_kind(raw) is None))
def test_whole_frames_are_samples_and_the_incomplete_last_is_dropped(raw: bytes) -> None:
    expected = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2") / 2**15
    np.testing.assert_array_equal(blocks(raw), expected)


@pytest.mark.parametrize(("channel", "expected"), [(0, 0.25), (1, 0.5), ("mix", 0.375)])
def test_a_channel_is_chosen(channel: Channel, expected: float) -> None:
    frame = np.array([2**13, 2**14], "<i2").tobytes()
    assert blocks(5 * frame, channels=2, channel=channel) == [expected] * 5


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="--channel 2 of raw PCM with --input-channels 2"):
        blocks(bytes(1000), channels=2, channel=2)


SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)


def encoded(file_format: str, subtype: str, samplerate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, samplerate, format=file_format, subtype=subtype)
    return buffer.getvalue()


def flac_without_length() -> bytes:
    flac = encoded("FLAC", "PCM_16")
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


@pytest.mark.parametrize(
    ("file_format", "subtype", "worst"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1 / 32768),
        ("WAV", "PCM_24", 1 / 2**23),
        ("WAV", "PCM_32", 2e-7),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAVEX", "PCM_16", 1 / 32768),
        ("RF64", "PCM_16", 1 / 32768),
        ("FLAC", "PCM_16", 1 / 32768),
        ("FLAC", "PCM_24", 1 / 2**23),
    ],
)
@pytest.mark.parametrize("channel", [0, 1])
def test_a_wav_or_flac_that_comes_through_a_pipe_is_read(
    file_format: str, subtype: str, worst: float, channel: int
) -> None:
    pipe = Pipe("S16_LE", 1, RATE, channel, io.BytesIO(encoded(file_format, subtype, 22050)))
    pipe.open()
    assert (pipe.samplerate, pipe.channels) == (22050, 2)
    samples = np.concatenate(list(pipe.blocks()))
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, SOUND[:, channel], rtol=0, atol=worst)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_is_read_to_the_end_of_the_pipe(size: int) -> None:
    wav = encoded("WAV", "PCM_16")
    assert len(blocks(wav[:40] + size.to_bytes(4, "little") + wav[44:])) == RATE


def test_a_flac_of_unknown_length_is_read_to_the_end_of_the_pipe() -> None:
    assert len(blocks(flac_without_length())) == RATE


def test_what_follows_the_sound_of_a_wav_is_no_sound() -> None:
    assert len(blocks(encoded("WAV", "PCM_16") + b"LIST" + bytes(5000))) == RATE


@pytest.mark.parametrize(("file_format", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16")])
def test_what_was_cut_short_is_reported_behind_the_sound_that_came(
    file_format: str, subtype: str
) -> None:
    whole = encoded(file_format, subtype)
    pipe = Pipe("S16_LE", 1, RATE, 0, io.BytesIO(whole[: len(whole) // 2]))
    n_samples = 0
    with pytest.raises(AudioError, match="cut short"):
        for block in pipe.blocks():
            n_samples += len(block)
    assert n_samples > RATE / 4


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFX", "RIFX"),
        (b"OggS", "OGG"),
        (encoded("OGG", "VORBIS"), "OGG"),
        (encoded("W64", "PCM_16"), "W64"),
        (encoded("AIFF", "PCM_16"), "AIFF"),
        (encoded("AU", "PCM_16"), "AU"),
        (encoded("CAF", "PCM_16"), "CAF"),
        (encoded("MP3", "MPEG_LAYER_III"), "MP3"),
        (b"ID3\4\0\0" + bytes(50), "MP3"),
        (bytes(3) + b"\x20ftypM4A ", "MP4"),
        (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
        (4 * (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)), "AAC"),
        (5 * (b"\x47\x40\x11" + bytes(185)), "MPEG-TS"),
    ],
)
def test_another_file_is_no_raw_pcm(head: bytes, kind: str) -> None:
    with pytest.raises(AudioError, match=f"stdin begins as a file of the kind {kind}; raw PCM"):
        blocks(head + bytes(1000))


@pytest.mark.parametrize("head", [encoded("WAV", "IMA_ADPCM"), encoded("WAV", "ULAW")])
def test_a_compressed_wav_is_refused(head: bytes) -> None:
    with pytest.raises(AudioError, match=r"stdin: a WAV with 2 channels of . bits of kind"):
        blocks(head)


@pytest.mark.parametrize("name", ["WAV", "FLAC"])
def test_a_header_that_ends_at_any_byte_is_refused_or_gives_no_sound(name: str) -> None:
    whole = encoded(name, "PCM_16")
    for n_bytes in range(4, 120):
        try:
            assert len(blocks(whole[:n_bytes])) <= 60
        except AudioError as error:
            assert str(error).startswith("stdin")
            assert "\n" not in str(error)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    head=st.one_of(
        st.sampled_from([signature + bytes(20) for signature in SIGNATURES]),
        st.sampled_from([encoded("WAV", "PCM_16")[:3000], encoded("FLAC", "PCM_16")[:3000]]),
        st.binary(max_size=100),
    ),
    places=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=4),
    tail=st.binary(max_size=3000),
)
def test_a_pipe_that_begins_as_anything_gives_sound_or_one_sentence(
    head: bytes, places: list[tuple[int, int]], tail: bytes
) -> None:
    content = bytearray(head + tail)
    for at, value in places:
        if at < len(content):
            content[at] = value
    try:
        blocks(bytes(content))
    except AudioError as error:
        assert str(error).startswith("stdin")
        assert "\n" not in str(error)


def test_raw_pcm_that_resembles_a_frame_is_raw_pcm() -> None:
    assert len(blocks(b"\xff\xfb\x90\x64" + bytes(10_000))) == 5002


def test_only_the_first_bytes_are_compared_with_those_of_files() -> None:
    assert len(blocks(bytes(3200) + b"RIFF" + bytes(100))) == 1652


def test_a_pipe_that_is_stopped_ends() -> None:
    pipe = Pipe("S16_LE", 1, RATE, 0, io.BytesIO(bytes(100_000)))
    reader = pipe.blocks()
    next(reader)
    pipe.stop()
    assert list(reader) == []


def test_a_signal_ends_a_read_that_waits() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file, os.fdopen(write_end, "wb"):
        pipe = Pipe("S16_LE", 1, RATE, 0, file)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        with stopping(pipe.stop) as received:
            timer.start()
            assert list(pipe.blocks()) == []
        timer.join()
    assert received == [signal.SIGTERM]
