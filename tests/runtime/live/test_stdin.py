"""Raw PCM from a pipe."""

import io
import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.live.stdin import Pipe
from edgeae.runtime.live.stream import stopping

RATE = 16000


def blocks(raw: bytes, channels: int = 1, channel: Channel = 0) -> list[float]:
    pipe = Pipe("S16_LE", channels, RATE, channel, io.BytesIO(raw))
    return [float(sample) for block in pipe.blocks() for sample in block]


@given(st.binary(max_size=10_000).filter(lambda raw: raw[:4] not in (b"RIFF", b"fLaC", b"OggS")))
def test_whole_frames_are_samples_and_the_incomplete_last_is_dropped(raw: bytes) -> None:
    expected = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2") / 2**15
    np.testing.assert_array_equal(blocks(raw), expected)


@pytest.mark.parametrize(("channel", "expected"), [(0, 0.25), (1, 0.5), ("mix", 0.375)])
def test_a_channel_is_chosen(channel: Channel, expected: float) -> None:
    frame = np.array([2**13, 2**14], "<i2").tobytes()
    assert blocks(5 * frame, channels=2, channel=channel) == [expected] * 5


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="--channel 2 of raw PCM with --input-channels 2"):
        Pipe("S16_LE", 2, RATE, 2)


@pytest.mark.parametrize(("head", "kind"), [(b"RIFF", "WAV"), (b"fLaC", "FLAC"), (b"OggS", "OGG")])
def test_a_sound_file_is_no_raw_pcm(head: bytes, kind: str) -> None:
    with pytest.raises(AudioError, match=f"stdin begins as a {kind} file"):
        blocks(head + bytes(1000))


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
