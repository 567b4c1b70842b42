"""The way of the sound from a microphone to its sources, and when listening ends."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeae.runtime.audio.pcm import decode
from edgeae.runtime.capture.blocks import Block, Deliver, Gap
from edgeae.runtime.capture.microphone import Microphone, MicrophoneLimits
from edgeae.runtime.capture.negotiate import FormatRefusedError
from edgeae.runtime.capture.queue import CaptureQueue, QueueItem
from edgeae.runtime.errors import DeviceError
from edgeae.runtime.live.listen import (
    DeviceRoute,
    join_blocks,
    listen,
    push_valid,
)
from edgeae.runtime.live.source import Source
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.clock import now
from tests.runtime.live.fakes import KeptOutputs

RATE = 16000
QUICK = MicrophoneLimits(min_retry_seconds=0.01, check_seconds=0.02)


def block(*values: int) -> Block:
    return Block(bytearray(values), len(values), float(values[-1]))


def test_blocks_in_a_row_become_one_that_ends_with_the_last() -> None:
    items: list[QueueItem] = [block(1), block(2, 3), Gap(5, "overrun"), block(4)]
    assert list(join_blocks(items, 1.0, 8)) == [
        Block(bytearray([1, 2, 3]), 3, 3.0),
        Gap(5, "overrun"),
        block(4),
    ]


def test_not_too_many_blocks_become_one() -> None:
    items: list[QueueItem] = [block(number, 2) for number in range(7)]
    joined = [item.frames for item in join_blocks(items, 0.7, 10) if isinstance(item, Block)]
    assert joined == [6, 6, 2]


@pytest.fixture
def outputs() -> KeptOutputs:
    return KeptOutputs()


def new_source(detector: Detector, outputs: KeptOutputs, duration: float | None = None) -> Source:
    return Source("hw:1", detector, outputs, model=Path("pump.onnx"), duration=duration)


def push_with_holes(source: Source, samples: Float32, holes: dict[int, float]) -> None:
    """Start a source and push a second of samples, those at ``holes`` replaced."""
    source.start(RATE, 1, "FLOAT_LE")
    block_with_holes = samples[:RATE].copy()
    block_with_holes[list(holes)] = list(holes.values())
    push_valid(source, block_with_holes, now())


def test_samples_that_are_not_numbers_are_lost_and_the_others_are_not(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = new_source(detector, outputs)
    push_with_holes(source, samples, {4000: np.nan, 4009: np.inf})
    [gap] = outputs.gaps()
    assert (gap.t, gap.frames, gap.reason) == (round(4010 / RATE, 3), 10, "not numbers")
    assert source.t == 1.0


def test_samples_that_are_not_numbers_cost_little_sound_between_them(
    detector: Detector, outputs: KeptOutputs, samples: Float32
) -> None:
    source = new_source(detector, outputs)
    push_with_holes(source, samples, {10: np.nan, RATE - 10: np.nan})
    assert [gap.frames for gap in outputs.gaps()] == [1, 1]
    assert source.t == 1.0


class PlayedCapture:
    """A device of two channels that delivers blocks and gaps, and then fails."""

    samplerate = RATE
    channels = 2
    format = "S16_LE"

    def __init__(self, items: list[NDArray[np.int16] | Gap]) -> None:
        self._items = items

    def __enter__(self) -> "PlayedCapture":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def check_stall(self) -> None:
        pass

    def decode(self, raw: bytes | bytearray) -> Float32:
        return decode(raw, self.format, self.channels)

    def start(self, deliver: Deliver) -> None:
        for item in self._items:
            if isinstance(item, Gap):
                deliver(item)
            else:
                deliver(Block(bytearray(item.tobytes()), len(item), now()))
        deliver(DeviceError("hw:1 is away"))


def failing_with(error: DeviceError) -> Callable[[], PlayedCapture]:
    def opener() -> PlayedCapture:
        raise error

    return opener


def microphone_of(opener: Callable[[], PlayedCapture], data_ready: Condition) -> Microphone:
    return Microphone(
        "hw:1", CaptureQueue(data_ready), samplerate=RATE, limits=QUICK, opener=opener
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_each_channel_goes_to_its_source_and_gaps_to_all(
    detector: Detector, sound: NDArray[np.int16]
) -> None:
    stereo = np.stack([sound, sound[::-1]], axis=1)
    n_frames = round(4.8 * RATE)
    openings = [PlayedCapture([stereo[:n_frames], Gap(RATE, "overrun"), stereo[:n_frames]])]

    def opener() -> PlayedCapture:
        if openings:
            return openings.pop()
        raise DeviceError("hw:1 is away")

    microphone = microphone_of(opener, Condition())
    kept = [KeptOutputs(), KeptOutputs()]
    sources = [new_source(detector, outputs) for outputs in kept]
    route = DeviceRoute(microphone, [(1, sources[0]), ("mix", sources[1])])
    wait_until(lambda: microphone.failure is not None)
    assert route.has_delivered
    route.forward()
    route.finish()
    for outputs in kept:
        assert outputs.states() == ["listening", "lost", "stopped"]
        assert [gap.reason for gap in outputs.gaps()] == ["overrun", "unplugged"]
    first = [line.score for line in kept[0].scores()]
    second = [line.score for line in kept[1].scores()]
    assert len(first) == len(second) > 0
    assert first != second


@pytest.mark.parametrize(("is_recorded", "longest"), [(False, 15872), (True, 4096)])
def test_recorded_sound_is_forwarded_in_shorter_blocks(
    detector: Detector,
    outputs: KeptOutputs,
    sound: NDArray[np.int16],
    monkeypatch: pytest.MonkeyPatch,
    is_recorded: bool,
    longest: int,
) -> None:
    periods: list[NDArray[np.int16] | Gap] = [
        np.stack([sound[k : k + 512]] * 2, axis=1) for k in range(0, 70 * 512, 512)
    ]
    microphone = microphone_of(lambda: PlayedCapture(periods), Condition())
    wait_until(lambda: microphone.failure is not None)
    microphone.close()
    source = new_source(detector, outputs)
    pushed: list[int] = []
    monkeypatch.setattr(Source, "records_sound", is_recorded)
    monkeypatch.setattr(source, "push", lambda block, end_time: pushed.append(len(block)))
    DeviceRoute(microphone, [(0, source)]).forward()
    assert max(pushed) == longest
    assert sum(pushed) % (70 * 512) == 0


def test_a_format_that_is_refused_is_not_waited_for(
    detector: Detector, outputs: KeptOutputs
) -> None:
    data_ready = Condition()
    refused = FormatRefusedError("hw:1 has no channel 7")
    route = DeviceRoute(
        microphone_of(failing_with(refused), data_ready), [(0, new_source(detector, outputs))]
    )
    with pytest.raises(FormatRefusedError, match="no channel 7"):
        listen([route], data_ready, lambda: False, lambda: None, wait=1e9, give_up=1e9)
    route.finish()


def test_a_device_that_is_away_is_waited_for_and_then_given_up(
    detector: Detector, outputs: KeptOutputs
) -> None:
    data_ready = Condition()
    opener = failing_with(DeviceError("there is no capture device hw:1"))
    route = DeviceRoute(microphone_of(opener, data_ready), [(0, new_source(detector, outputs))])
    # However busy the computer is, the first look finds a device that may still come.
    listen([route], data_ready, lambda: bool(outputs.states()), lambda: None, wait=1e9, give_up=1e9)
    assert outputs.states() == ["waiting"]
    wait = route.microphone.silent_seconds + 0.2
    with pytest.raises(DeviceError, match="there is no capture device"):
        listen([route], data_ready, lambda: False, lambda: None, wait=wait, give_up=1e9)
    assert route.microphone.silent_seconds >= wait
    route.finish()
    assert outputs.states()[0] == "waiting"


def test_listening_ends_when_it_is_stopped(detector: Detector, outputs: KeptOutputs) -> None:
    data_ready = Condition()
    opener = failing_with(DeviceError("there is no capture device hw:1"))
    route = DeviceRoute(microphone_of(opener, data_ready), [(0, new_source(detector, outputs))])
    ticks: list[int] = []
    listen(
        [route],
        data_ready,
        lambda: len(ticks) == 2,
        lambda: ticks.append(1),
        wait=1e9,
        give_up=1e9,
    )
    route.finish()
    assert len(ticks) == 2
