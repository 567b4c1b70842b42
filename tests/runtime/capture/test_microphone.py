"""A device that is opened again whenever it fails: real libasound over files, injected faults."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Condition
from types import TracebackType
from typing import ClassVar, Protocol, Self

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.pcm import decode
from edgeae.runtime.capture import capture as capture_module
from edgeae.runtime.capture import microphone as module
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.blocks import Block, CaptureLimits, Deliver, Gap, StallError
from edgeae.runtime.capture.capture import Capture
from edgeae.runtime.capture.microphone import Microphone, MicrophoneLimits, OpenCapture
from edgeae.runtime.capture.queue import (
    CaptureFailed,
    CaptureQueue,
    CaptureStarted,
    QueueItem,
    QueueLimits,
)
from edgeae.runtime.errors import DeviceError
from edgeae.runtime.live.listen import TICK_SECONDS
from edgeae.runtime.system.arrays import Float32
from tests.runtime.capture.fakes import AlsaDevice, AlsaMicrophone, AlsaPlan

RATE = 16000
SAMPLES = (np.arange(RATE) % 1000).astype(np.int16)
QUICK = MicrophoneLimits(min_retry_seconds=0.01, check_seconds=0.02)


class OpenMicrophone(Protocol):
    """The fixture `open_microphone`."""

    def __call__(
        self,
        plan: Sequence[float] = (),
        code: int = errno.ENODEV,
        limits: MicrophoneLimits = QUICK,
    ) -> Microphone: ...


@pytest.fixture
def open_microphone(alsa_plan: AlsaPlan) -> Iterator[OpenMicrophone]:
    """``open_microphone(plan)``: a microphone whose openings go as planned."""
    opened: list[Microphone] = []

    def start(
        plan: Sequence[float] = (),
        code: int = errno.ENODEV,
        limits: MicrophoneLimits = QUICK,
    ) -> Microphone:
        alsa_plan(*plan, code=code)
        queue = CaptureQueue(Condition())
        opened.append(Microphone("hw:1", queue, samplerate=RATE, limits=limits))
        return opened[-1]

    yield start
    for microphone in opened:
        microphone.close()


def until(microphone: Microphone, enough: Callable[[list[QueueItem]], bool]) -> list[QueueItem]:
    """What it delivers until that is enough."""
    items: list[QueueItem] = []
    deadline = time.monotonic() + 30
    while not enough(items):
        assert time.monotonic() < deadline, items
        items += microphone.queue.pop_all()
        time.sleep(0.005)
    return items


def kinds(items: list[QueueItem]) -> list[str]:
    """The names of what came, blocks that follow each other as one."""
    names = [type(item).__name__ for item in items]
    return [
        name for k, name in enumerate(names) if k == 0 or name != "Block" or names[k - 1] != "Block"
    ]


def blocks_after(kind: type) -> Callable[[list[QueueItem]], bool]:
    """Is there a block after the last of a kind?"""

    def enough(items: list[QueueItem]) -> bool:
        at = max((k for k, item in enumerate(items) if isinstance(item, kind)), default=None)
        return at is not None and any(isinstance(item, Block) for item in items[at:])

    return enough


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO, errno.EBADFD])
def test_a_microphone_that_is_unplugged_is_heard_again_when_it_is_back(
    alsa_device: AlsaDevice, open_microphone: OpenMicrophone, code: int
) -> None:
    alsa_device(SAMPLES)
    items = until(open_microphone(plan=[3, -1, -1], code=code), blocks_after(Gap))
    assert kinds(items) == [
        "CaptureStarted",
        "Block",
        "CaptureFailed",
        "CaptureFailed",
        "CaptureStarted",
        "Gap",
        "Block",
    ]
    lost, missing = [item for item in items if isinstance(item, CaptureFailed)]
    assert (lost.state, missing.state) == ("lost", "lost")
    assert "stopped working" in lost.sentence
    assert "there is no capture device" in missing.sentence
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert gap.reason == "unplugged"
    assert gap.frames > 0


def test_a_device_that_appears_later_is_waited_for(
    alsa_device: AlsaDevice, open_microphone: OpenMicrophone, tmp_path: Path
) -> None:
    path = alsa_device(SAMPLES)
    path.rename(tmp_path / "away.raw")  # libasound itself says that there is no such device
    microphone = open_microphone()
    items = until(microphone, bool)
    assert [item.state for item in items if isinstance(item, CaptureFailed)] == ["waiting"]
    assert (microphone.failure is not None, microphone.last_sound_time) == (True, None)
    (tmp_path / "away.raw").rename(path)
    items += until(microphone, blocks_after(CaptureStarted))
    assert kinds(items) == ["CaptureFailed", "CaptureStarted", "Block"]
    assert microphone.failure is None


def test_what_is_wrong_is_told_once(
    alsa_device: AlsaDevice, open_microphone: OpenMicrophone
) -> None:
    alsa_device(SAMPLES)
    items = until(open_microphone(plan=[-1] * 6), blocks_after(CaptureStarted))
    assert kinds(items) == ["CaptureFailed", "CaptureStarted", "Block"]


def test_a_stalled_device_is_opened_again_and_the_gap_is_as_long_as_it_was_silent(
    alsa_microphone: AlsaMicrophone, open_microphone: OpenMicrophone, tmp_path: Path
) -> None:
    hanging = alsa_microphone(SAMPLES[: 4 * 512], seconds=0.001)
    microphone = open_microphone(limits=replace(QUICK, capture=CaptureLimits(stall_seconds=0.3)))
    items = until(microphone, lambda items: any(isinstance(item, CaptureFailed) for item in items))
    assert hanging.is_set()
    assert items[-1] == CaptureFailed(
        "stalled", "hw:1 is open but delivered no audio for 0.3 s: reconnect the microphone"
    )
    fifo = os.open(tmp_path / "microphone", os.O_RDWR | os.O_NONBLOCK)
    deadline = time.monotonic() + 30
    while not blocks_after(Gap)(
        items
    ):  # the reader that hangs still has the device, and takes some of it
        assert time.monotonic() < deadline
        os.write(fifo, SAMPLES[:512].tobytes())
        items += microphone.queue.pop_all()
        time.sleep(0.01)
    os.close(fifo)
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert gap.reason == "stalled"
    assert gap.frames >= 0.3 * RATE - 2 * 512


def test_overruns_stay_gaps_of_one_opening(
    alsa_device: AlsaDevice, open_microphone: OpenMicrophone
) -> None:
    alsa_device(SAMPLES)
    items = until(open_microphone(plan=[3], code=errno.EPIPE), blocks_after(Gap))
    assert kinds(items)[:3] == ["CaptureStarted", "Block", "Gap"]
    assert not any(isinstance(item, CaptureFailed) for item in items)


def test_it_can_be_closed_while_it_waits(
    open_microphone: OpenMicrophone, alsa_device: AlsaDevice
) -> None:
    alsa_device(SAMPLES)
    microphone = open_microphone(plan=[-1] * 1000)
    until(microphone, bool)
    microphone.close()
    assert not microphone._thread.is_alive()


def test_a_capture_is_given_the_channels_that_are_wanted(alsa_device: AlsaDevice) -> None:
    stereo = np.stack([SAMPLES, -SAMPLES, 2 * SAMPLES], axis=1)
    alsa_device(stereo)
    microphone = Microphone(
        "hw:1", CaptureQueue(Condition()), samplerate=RATE, channels=[2, 0], limits=QUICK
    )
    items = until(microphone, blocks_after(CaptureStarted))
    microphone.close()
    setup, block = items[0], items[1]
    assert isinstance(setup, CaptureStarted)
    assert isinstance(block, Block)
    assert setup.channels == 3
    np.testing.assert_array_equal(
        setup.decode(block.raw), stereo[: block.frames] / np.float32(2**15)
    )


def test_it_opens_captures_unless_told_otherwise(
    alsa_device: AlsaDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()

    class Noticed(Capture):
        def start(self, deliver: Deliver) -> None:
            opened.set()
            super().start(deliver)

    alsa_device(SAMPLES)
    monkeypatch.setattr(capture_module, "Capture", Noticed)
    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE, limits=QUICK)
    assert opened.wait(30)
    microphone.close()


class Clock:
    """The time of a test, in which nothing passes by itself."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedCapture:
    """A device that is opened again and again, each time with a part of a script.

    A step is what happens and how many seconds pass before: ("block", s) delivers a block,
    ("gap", s) a gap, after ("away", s) the device fails, and after
    ("stalled", s) it is reported as stalled.
    """

    samplerate = RATE
    channels = 1
    format = "S16_LE"

    def __init__(self, clock: Clock, script: list[tuple[str, float]]) -> None:
        self._clock = clock
        self._script = script

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def check_stall(self) -> None:
        pass

    def decode(self, raw: bytes | bytearray) -> Float32:
        return decode(raw, self.format, self.channels)

    def start(self, deliver: Deliver) -> None:
        while self._script:
            kind, seconds = self._script.pop(0)
            self._clock.now += seconds
            frames = round(seconds * RATE)
            if kind == "block":
                deliver(Block(bytearray(2 * frames), frames, self._clock.now))
            elif kind == "gap":
                deliver(Gap(frames, "suspended"))
            elif kind == "stalled":
                deliver(StallError("delivers nothing"))
                return
            else:
                deliver(DeviceError(f"gone {len(self._script)}"))
                return


STEPS = st.tuples(
    st.sampled_from(["block", "gap", "away"]), st.sampled_from([0.032, 0.064, 0.5, 3.0])
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=12))
def test_every_second_is_delivered_or_reported_as_lost_once(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, float]]
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "now", clock)
    script = [("block", 0.032), *steps]
    microphone = Microphone(
        "hw:1",
        CaptureQueue(Condition(), QueueLimits(max_seconds=100.0)),
        samplerate=RATE,
        limits=replace(QUICK, min_retry_seconds=0.0),
        opener=lambda: ScriptedCapture(clock, script),
    )
    deadline = time.monotonic() + 30
    while script or (steps and steps[-1][0] == "away" and microphone._failure is None):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    microphone.close()
    items = microphone.queue.pop_all()
    last = microphone.unreported_gap()
    n_frames = sum(item.frames for item in [*items, last] if isinstance(item, Block | Gap))
    assert n_frames == pytest.approx((clock.now - 1000.0) * RATE, abs=2 * len(script) + 16)


class InstantEvent(threading.Event):
    """An event on which a wait takes no time; it is set after so many waits."""

    def __init__(self, n_waits: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self.complete = threading.Event()
        self._n_waits = n_waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == self._n_waits:
            self.set()
            self.complete.set()
        return self.is_set()


def test_the_wait_doubles_up_to_a_limit_and_is_short_again_after_a_good_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    stopped = InstantEvent(n_waits=8)
    monkeypatch.setattr(module, "now", clock)
    monkeypatch.setattr(module, "Event", lambda: stopped)
    failing = [("away", 1.0)] * 5
    script = [*failing, ("block", 3600.0), ("away", 1.0), *failing]
    microphone = Microphone(
        "hw:1",
        CaptureQueue(Condition()),
        samplerate=RATE,
        limits=MicrophoneLimits(min_retry_seconds=0.5, max_retry_seconds=6.0, check_seconds=0.02),
        opener=lambda: ScriptedCapture(clock, script),
    )
    assert stopped.complete.wait(30)
    microphone.close()
    assert stopped.waits == [0.5, 1.0, 2.0, 4.0, 6.0, 0.5, 1.0, 2.0]


def test_a_driver_that_hangs_is_a_failure_in_the_end(
    alsa_microphone: AlsaMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "now", clock)
    alsa_microphone(SAMPLES[:0])
    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE, limits=QUICK)
    assert microphone.failure is None
    clock.now += QUICK.hang_seconds + 1
    assert str(microphone.failure) == "hw:1 does not answer: reconnect the microphone"
    microphone.close()


class Exclusive(Alsa):
    """A device that one handle has, and whose first reader hangs until it is let go."""

    held: ClassVar[list[int]] = []
    let_go = threading.Event()
    hangs: ClassVar[list[bool]] = [True]

    def call(self, name: str, *arguments: object) -> int:
        if name == "snd_pcm_open" and self.held:
            raise AlsaError(errno.EBUSY, "Device or resource busy")
        if name == "snd_pcm_readi" and self.hangs:
            self.hangs.clear()
            self.let_go.wait(30)
            raise AlsaError(errno.ENODEV, "No such device")
        result = super().call(name, *arguments)
        if name == "snd_pcm_open":
            self.held.append(1)
        if name == "snd_pcm_close":
            self.held.clear()
        return result


def test_a_reader_that_hung_gives_its_device_back_and_disturbs_nobody(
    alsa_device: AlsaDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa_device(SAMPLES)
    monkeypatch.setattr("edgeae.runtime.capture.capture.Alsa", Exclusive)
    microphone = Microphone(
        "hw:1",
        CaptureQueue(Condition()),
        samplerate=RATE,
        limits=replace(QUICK, capture=CaptureLimits(stall_seconds=0.1)),
    )
    items = until(
        microphone, lambda items: sum(isinstance(item, CaptureFailed) for item in items) == 2
    )
    assert (
        "in use by another program"
        in [item.sentence for item in items if isinstance(item, CaptureFailed)][-1]
    )
    Exclusive.let_go.set()
    items += until(microphone, blocks_after(CaptureStarted))
    items += until(microphone, blocks_after(Block))
    microphone.close()
    assert kinds(items)[:2] == ["CaptureFailed", "CaptureFailed"]
    assert kinds(items)[2:] == ["CaptureStarted", "Block"]


def test_a_device_that_fails_otherwise_is_tried_again(alsa_device: AlsaDevice) -> None:
    alsa_device(SAMPLES)
    failures = [OSError(24, "Too many open files"), ValueError("a mistake of ours")]

    def opener() -> OpenCapture:
        if failures:
            raise failures.pop()
        return Capture("hw:1", samplerate=RATE)

    microphone = Microphone(
        "hw:1", CaptureQueue(Condition()), samplerate=RATE, limits=QUICK, opener=opener
    )
    items = until(microphone, blocks_after(CaptureStarted))
    microphone.close()
    assert kinds(items) == ["CaptureFailed", "CaptureFailed", "CaptureStarted", "Block"]


def test_a_gap_has_the_reason_for_which_the_sound_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device stalls, and is missing when it is opened again."""
    clock = Clock()
    monkeypatch.setattr(module, "now", clock)
    script = [("block", 0.5), ("stalled", 2.0), ("away", 1.0), ("block", 0.5)]
    microphone = Microphone(
        "hw:1",
        CaptureQueue(Condition()),
        samplerate=RATE,
        limits=QUICK,
        opener=lambda: ScriptedCapture(clock, script),
    )
    items = until(microphone, blocks_after(Gap))
    microphone.close()
    assert [item for item in items if isinstance(item, Gap)] == [Gap(3 * RATE, "stalled")]


def seldom_checked(capture: type[ScriptedCapture]) -> Microphone:
    """A microphone of one block, which does not look for a stall meanwhile."""
    return Microphone(
        "hw:1",
        CaptureQueue(Condition()),
        samplerate=RATE,
        limits=replace(QUICK, check_seconds=1000.0),
        opener=lambda: capture(Clock(), [("block", 0.032)]),
    )


def test_closing_does_not_wait_until_the_next_look_for_a_stall() -> None:
    microphone = seldom_checked(ScriptedCapture)
    deadline = time.monotonic() + 30
    while microphone.last_sound_time is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    microphone.close()
    assert not microphone._thread.is_alive()


def test_stopping_does_not_wait_until_the_device_is_released() -> None:
    released = threading.Event()

    class Slow(ScriptedCapture):
        def __exit__(self, *error: object) -> None:
            released.wait(30)

    microphone = seldom_checked(Slow)
    microphone.stop()
    assert microphone._thread.is_alive()
    released.set()
    microphone.close()
    assert not microphone._thread.is_alive()


def test_a_read_waits_longer_than_for_the_sound_that_wakes_it() -> None:
    capture = MicrophoneLimits().capture
    assert capture.wait_ms > 1000 * capture.wake_seconds
    assert MicrophoneLimits().close_seconds > capture.close_seconds > capture.wait_ms / 1000
    assert QueueLimits().batch_seconds < capture.wake_seconds < TICK_SECONDS
