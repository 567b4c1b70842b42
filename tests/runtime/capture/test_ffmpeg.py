"""Network streams through a real ffmpeg: HTTP and RTSP, logins, failures, lost sound."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Condition

import numpy as np
import pytest
from network_streams import StreamServer, http_stream, rtsp_stream
from numpy.typing import NDArray

from edgeae.runtime.capture.blocks import CaptureLimits, Gap, StallError
from edgeae.runtime.capture.ffmpeg import (
    MAX_LINE_BYTES,
    StreamCapture,
    StreamClock,
    find_program,
)
from edgeae.runtime.capture.microphone import Microphone, MicrophoneLimits
from edgeae.runtime.capture.negotiate import FormatRefusedError
from edgeae.runtime.capture.queue import CaptureFailed, CaptureQueue, CaptureStarted, QueueItem
from edgeae.runtime.errors import ConfigError, DeviceError

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None,
    reason="ffmpeg is not installed (scripts/install-system-packages --tests)",
)
RATE = 22050
LOGIN = "viewer:p'w@d word"
LOGIN_IN_URL = "viewer:p%27w%40d%20word"


@pytest.fixture
def tone() -> NDArray[np.int16]:
    """Four seconds at 1 kHz."""
    return (8000 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE)).astype(np.int16)


@pytest.fixture
def http(tone: NDArray[np.int16]) -> Iterator[StreamServer]:
    with http_stream(StreamServer(tone, RATE, pace=4.0)) as server:
        yield server


def collected(capture: StreamCapture, seconds: float) -> NDArray[np.float32]:
    """The sound of a stream."""
    blocks: list[NDArray[np.float32]] = []
    for item in capture.blocks():
        assert not isinstance(item, Gap)
        blocks.append(item)
        if sum(map(len, blocks)) >= seconds * capture.samplerate:
            break
    return np.concatenate(blocks)


def frequency(sound: NDArray[np.float32], samplerate: int) -> float:
    """The loudest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * samplerate / len(sound))


@needs_ffmpeg
def test_the_sound_of_an_http_stream_comes_at_its_own_rate(http: StreamServer) -> None:
    with StreamCapture(f"http://127.0.0.1:{http.port}/live") as capture:
        assert (capture.samplerate, capture.channels, capture.format) == (RATE, 1, "S16_LE")
        sound = collected(capture, 1.0)
    assert abs(frequency(sound, RATE) - 1000) < 3
    assert abs(np.abs(sound).max() - 8000 / 2**15) < 1e-3


@needs_ffmpeg
def test_the_sound_of_an_rtsp_stream_with_a_login_comes(tone: NDArray[np.int16]) -> None:
    with (
        rtsp_stream(StreamServer(tone, RATE, pace=4.0, credentials=LOGIN)) as server,
        StreamCapture(f"rtsp://{LOGIN_IN_URL}@127.0.0.1:{server.port}/1") as capture,
    ):
        assert capture.device == f"rtsp://127.0.0.1:{server.port}/1"
        assert (capture.samplerate, capture.channels) == (RATE, 1)
        assert abs(frequency(collected(capture, 1.0), RATE) - 1000) < 3


@needs_ffmpeg
def test_a_channel_of_a_stereo_stream_is_chosen(tone: NDArray[np.int16]) -> None:
    stereo = np.stack([np.zeros_like(tone), tone], 1)
    with http_stream(StreamServer(stereo, RATE, pace=4.0)) as server:
        address = f"http://127.0.0.1:{server.port}/live"
        with StreamCapture(address, channels=[1]) as capture:
            assert np.abs(collected(capture, 0.5)).max() > 0.2
        with pytest.raises(FormatRefusedError, match="has 2 channels, and no channel 2"):
            StreamCapture(address, channels=[2])


@needs_ffmpeg
def test_the_login_stands_in_no_argument_of_a_process_and_in_no_message(http: StreamServer) -> None:
    http.credentials = LOGIN
    address = f"http://{LOGIN_IN_URL}@127.0.0.1:{http.port}/live"
    with StreamCapture(address) as capture:
        pid = capture._process.pid
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"ffmpeg" in arguments
        assert b"p%27w" not in arguments + environment
        assert b"viewer" not in arguments + environment
    with pytest.raises(
        DeviceError, match=r"401 Unauthorized.*check the address, the login"
    ) as failure:
        StreamCapture(address.replace("p%27w", "s3cr3t"))
    assert "s3cr3t" not in str(failure.value)
    assert "viewer" not in str(failure.value)


@needs_ffmpeg
def test_a_server_that_is_not_there_is_a_failure_with_a_reason() -> None:
    with pytest.raises(
        DeviceError, match=r"^http://127\.0\.0\.1:9/live delivers no sound .*refused"
    ):
        StreamCapture("http://127.0.0.1:9/live")


@needs_ffmpeg
def test_a_server_that_sends_nothing_is_given_up(http: StreamServer) -> None:
    http.silent.set()
    with pytest.raises(DeviceError, match="delivered nothing in 1 s"):
        StreamCapture(f"http://127.0.0.1:{http.port}/live", open_seconds=1.0)


@pytest.mark.slow
@needs_ffmpeg
def test_a_stream_that_stops_is_a_stall_and_one_that_ends_a_failure(http: StreamServer) -> None:
    limits = CaptureLimits(stall_seconds=1.0)
    with StreamCapture(f"http://127.0.0.1:{http.port}/live", limits=limits) as capture:
        collected_blocks = capture.blocks()
        next(collected_blocks)
        http.silent.set()
        with pytest.raises(StallError, match="delivered no sound for 1 s"):
            for _ in collected_blocks:
                pass
    http.silent.clear()
    with StreamCapture(f"http://127.0.0.1:{http.port}/live") as capture:
        blocks = capture.blocks()
        next(blocks)
        http.ended.set()
        with pytest.raises(DeviceError, match="delivers no sound"):
            for _ in blocks:
                pass


@needs_ffmpeg
def test_the_child_ends_with_the_capture(http: StreamServer) -> None:
    with StreamCapture(f"http://127.0.0.1:{http.port}/live") as capture:
        pid = capture._process.pid
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert not Path(f"/proc/{pid}").exists()
    assert len(os.listdir("/proc/self/fd")) < before  # noqa: PTH208


@pytest.mark.slow
@needs_ffmpeg
def test_a_stream_that_was_lost_is_opened_again_and_the_gap_is_counted(
    tone: NDArray[np.int16],
) -> None:
    ready = Condition()
    queue = CaptureQueue(ready)
    items: list[QueueItem] = []

    def wait_for(kind: type[QueueItem], n: int) -> None:
        deadline = time.monotonic() + 60
        while sum(isinstance(item, kind) for item in items) < n:
            assert time.monotonic() < deadline, items
            items.extend(queue.pop_all())
            time.sleep(0.05)

    with http_stream(StreamServer(tone, RATE)) as server:
        microphone = Microphone(
            f"http://u:s3cr3t@127.0.0.1:{server.port}/live",
            queue,
            samplerate=16000,
            limits=MicrophoneLimits(min_retry_seconds=0.1, max_retry_seconds=0.2),
        )
        assert microphone.device == f"http://127.0.0.1:{server.port}/live"
        wait_for(CaptureStarted, 1)
        server.ended.set()
        wait_for(CaptureFailed, 1)
        server.ended.clear()
        wait_for(CaptureStarted, 2)
        wait_for(Gap, 1)
        microphone.close()
    failure = next(item for item in items if isinstance(item, CaptureFailed))
    assert failure.state == "lost"
    assert "s3cr3t" not in failure.sentence
    gap = next(item for item in items if isinstance(item, Gap))
    assert gap.frames > 0.05 * RATE


def test_without_ffmpeg_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"cam\.lan/1: ffmpeg is not installed: sudo apt install"):
        find_program("rtsp://cam.lan/1")


def played(clock: StreamClock, pieces: list[tuple[float, float]]) -> list[float]:
    """The lost seconds that a clock reports. pieces: (when, seconds of sound)."""
    return [lost for at, seconds in pieces if (lost := clock.lost_seconds(at, seconds))]


def test_sound_at_the_pace_of_the_clock_is_not_lost() -> None:
    assert played(StreamClock(), [(k, 1.0) for k in range(1, 1000)]) == []


def test_sound_that_comes_late_is_not_lost() -> None:
    steady = [(float(k), 1.0) for k in range(1, 50)]
    late = [(55.0, 1.0), (55.1, 1.0), (55.2, 1.0), (55.3, 1.0), (55.4, 1.0), (55.5, 1.0)]
    after = [(float(k), 1.0) for k in range(56, 100)]
    assert played(StreamClock(), steady + late + after) == []


def test_sound_that_never_comes_is_reported_once() -> None:
    steady = [(float(k), 1.0) for k in range(1, 50)]
    after = [(float(k), 1.0) for k in range(54, 200)]
    [lost] = played(StreamClock(), steady + after)
    assert lost == pytest.approx(4.0, abs=0.3)


def test_a_clock_that_is_a_little_slow_loses_nothing() -> None:
    assert played(StreamClock(), [(k * 1.0005, 1.0) for k in range(1, 20_000)]) == []


def test_sound_from_before_the_start_hides_no_loss() -> None:
    burst = [(1.0, 1.0), (1.1, 5.0)]
    steady = [(float(k), 1.0) for k in range(2, 30)]
    after = [(float(k), 1.0) for k in range(34, 100)]
    [lost] = played(StreamClock(), burst + steady + after)
    assert lost == pytest.approx(4.0, abs=1.0)


def test_a_line_that_is_too_long_shows_no_part_of_a_secret(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    secret = "s3cr3t" * 10
    padding = "x" * (MAX_LINE_BYTES - len(secret) // 2)
    program.write_text(f"#!/bin/sh\necho refused >&2\necho {padding}{secret} >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(DeviceError, match=r"no sound \(refused\)") as failure:
        StreamCapture(f"http://u:{secret}@cam.lan/1", program=str(program))
    assert "cr3t" not in str(failure.value)
