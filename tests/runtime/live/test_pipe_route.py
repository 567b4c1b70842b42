"""A pipe whose writer stalls is reported as a device that does."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from waiting import wait_for

from edgeae.runtime.errors import AudioError
from edgeae.runtime.live.pipe_route import PipeLimits, PipeRoute
from edgeae.runtime.live.source import Source
from edgeae.runtime.live.stdin import Pipe
from edgeae.runtime.live.stream import stopping
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from tests.runtime.live.fakes import KeptOutputs

RATE = 16000
LIMITS = PipeLimits(stall_seconds=0.2, check_seconds=0.02)


class Writer:
    """The other end of the pipe; writes in a thread what `send` is given."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._descriptor, content) :]

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def writing(steps: Callable[[Writer], None]) -> Iterator[io.BufferedReader]:
    """The end of a pipe to read from, while a thread does ``steps`` at the other."""
    read_end, write_end = os.pipe()
    writer = Writer(write_end)

    def run() -> None:
        try:
            steps(writer)
        finally:
            writer.close()

    thread = threading.Thread(target=run)
    with os.fdopen(read_end, "rb") as file:
        thread.start()
        yield file
        thread.join()


def pcm(samples: Float32) -> bytes:
    return (samples * 2**15).astype("<i2").tobytes()


def encoded(samples: Float32, file_format: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=file_format)
    return buffer.getvalue()


def route_of(
    file: io.BufferedReader,
    detector: Detector,
    outputs: KeptOutputs,
    *,
    duration: float | None = None,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Pipe, PipeRoute]:
    pipe = Pipe("S16_LE", 1, RATE, 0, file, check_seconds=LIMITS.check_seconds)
    source = Source("stdin", detector, outputs, model=Path(__file__), duration=duration)
    return pipe, PipeRoute(pipe, source, tick, LIMITS)


@pytest.mark.parametrize("kind", ["raw", "WAV", "FLAC"])
def test_a_writer_that_stalls_is_reported_and_the_sound_goes_on_after_a_gap(
    detector: Detector, samples: Float32, kind: str
) -> None:
    outputs = KeptOutputs()
    content = pcm(samples) if kind == "raw" else encoded(samples, kind)
    half = len(content) // 2

    def steps(writer: Writer) -> None:
        writer.send(content[:half])
        wait_for(lambda: "stalled" in outputs.states())
        writer.send(content[half:])

    with writing(steps) as file:
        _, route = route_of(file, detector, outputs)
        route.run()
    assert outputs.states() == ["listening", "stalled", "listening", "stopped"]
    [gap] = outputs.gaps()
    assert gap.reason == "stalled"
    assert gap.seconds >= LIMITS.stall_seconds - 0.1
    assert len(outputs.scores()) >= 4
    [stalled] = [line for line in outputs.lines if getattr(line, "state", "") == "stalled"]
    assert stalled.describe().endswith(
        "stalled: the pipe is open but delivered no sound for 0.2 s: "
        "check the program that writes to it"
    )


def test_before_the_first_sound_it_waits(detector: Detector, samples: Float32) -> None:
    outputs = KeptOutputs()

    def steps(writer: Writer) -> None:
        wait_for(lambda: "waiting" in outputs.states())
        writer.send(pcm(samples))

    with writing(steps) as file:
        _, route = route_of(file, detector, outputs)
        route.run()
    assert outputs.states() == ["waiting", "listening", "stopped"]
    assert outputs.gaps() == []


def test_a_writer_that_only_pauses_is_not_reported(detector: Detector, samples: Float32) -> None:
    outputs = KeptOutputs()
    waited = threading.Event()

    def steps(writer: Writer) -> None:
        writer.send(pcm(samples[: 4 * RATE]))
        waited.wait()
        writer.send(pcm(samples[4 * RATE :]))

    with writing(steps) as file:
        pipe = Pipe("S16_LE", 1, RATE, 0, file, check_seconds=0.01)
        source = Source("stdin", detector, outputs, model=Path(__file__))
        route = PipeRoute(pipe, source, lambda: None, PipeLimits(stall_seconds=60.0))
        timer = threading.Timer(0.1, waited.set)
        timer.start()
        route.run()
    assert outputs.states() == ["listening", "stopped"]
    assert outputs.gaps() == []
    assert outputs.lines[-1].t == 16.0


def test_the_outputs_are_looked_after_while_nothing_comes(
    detector: Detector, samples: Float32
) -> None:
    outputs = KeptOutputs()
    ticks: list[float] = []

    def steps(writer: Writer) -> None:
        writer.send(pcm(samples))
        wait_for(lambda: "stalled" in outputs.states())
        n_ticks = len(ticks)
        wait_for(lambda: len(ticks) > n_ticks + 2)

    with writing(steps) as file:
        _, route = route_of(file, detector, outputs, tick=lambda: ticks.append(time.monotonic()))
        route.run()
    assert outputs.states() == ["listening", "stalled", "stopped"]
    [gap] = outputs.gaps()
    assert outputs.lines.index(gap) == len(outputs.lines) - 2


@pytest.mark.parametrize("kind", ["raw", "FLAC"])
def test_a_failure_of_the_outputs_ends_a_run_that_waits(
    detector: Detector, samples: Float32, kind: str
) -> None:
    outputs = KeptOutputs()
    content = pcm(samples) if kind == "raw" else encoded(samples, kind)
    ended = threading.Event()

    def steps(writer: Writer) -> None:
        writer.send(content[: len(content) // 2])
        ended.wait()

    def tick() -> None:
        if "stalled" in outputs.states():
            raise BrokenPipeError

    with writing(steps) as file:
        _, route = route_of(file, detector, outputs, tick=tick)
        with pytest.raises(BrokenPipeError):
            route.run()
        ended.set()


def test_the_duration_goes_on_while_nothing_comes(detector: Detector, samples: Float32) -> None:
    outputs = KeptOutputs()
    ended = threading.Event()

    def steps(writer: Writer) -> None:
        writer.send(pcm(samples[: 6 * RATE]))
        ended.wait()

    with writing(steps) as file:
        _, route = route_of(file, detector, outputs, duration=6.5)
        route.run()
        ended.set()
    assert outputs.states() == ["listening", "stalled", "stopped"]


@pytest.mark.parametrize("sends", [True, False])
def test_a_signal_ends_a_pipe_that_has_stalled(
    detector: Detector, samples: Float32, sends: bool
) -> None:
    outputs = KeptOutputs()
    ended = threading.Event()

    def steps(writer: Writer) -> None:
        if sends:
            writer.send(pcm(samples))
        wait_for(lambda: outputs.states()[-1:] == ["stalled" if sends else "waiting"])
        os.kill(os.getpid(), signal.SIGTERM)
        ended.wait()

    with writing(steps) as file:
        pipe, route = route_of(file, detector, outputs)
        with stopping(pipe.stop) as received:
            route.run()
        ended.set()
    assert received == [signal.SIGTERM]
    assert outputs.states()[-2:] == ["stalled" if sends else "waiting", "stopped"]


def test_a_file_of_another_kind_is_refused_without_a_line(detector: Detector) -> None:
    outputs = KeptOutputs()
    with writing(lambda writer: writer.send(b"OggS" + bytes(10_000))) as file:
        _, route = route_of(file, detector, outputs)
        with pytest.raises(AudioError, match="the kind OGG"):
            route.run()
    assert outputs.lines == []


def test_bytes_that_come_one_by_one_are_read(detector: Detector) -> None:
    sound = np.arange(-500, 500, dtype="<i2").tobytes()

    def steps(writer: Writer) -> None:
        for at in range(len(sound)):
            writer.send(sound[at : at + 1])

    with writing(steps) as file:
        pipe = Pipe("S16_LE", 1, RATE, 0, file)
        samples = np.concatenate(list(pipe.blocks()))
    assert (samples * 2**15).astype(int).tolist() == list(range(-500, 500))
