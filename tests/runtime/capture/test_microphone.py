"""A device that is opened again whenever it fails, by real libasound over files and by injected faults."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Condition, Event
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeae.runtime.capture import microphone as module
from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.capture import Block, Capture, Gap
from edgeae.runtime.capture.microphone import Microphone
from edgeae.runtime.capture.queue import CaptureQueue, Item, Lost, Setup
from edgeae.runtime.errors import DeviceError

RATE = 16000
SAMPLES = (np.arange(RATE) % 1000).astype(np.int16)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)


@pytest.fixture
def listen(alsa_plan: Callable[..., None]) -> Iterator[Callable[..., Microphone]]:
    """``listen(device, plan)``: a microphone whose openings go as planned."""
    opened: list[Microphone] = []

    def start(
        device: str = "hw:1", plan: Sequence[float] = (), code: int = errno.ENODEV, **options: Any
    ) -> Microphone:
        alsa_plan(*plan, code=code)
        opened.append(Microphone(device, CaptureQueue(Condition()), samplerate=RATE, **options))
        return opened[-1]

    yield start
    for microphone in opened:
        microphone.close()


def until(microphone: Microphone, enough: Callable[[list[Item]], bool]) -> list[Item]:
    """What it delivers until that is enough."""
    items: list[Item] = []
    deadline = time.monotonic() + 30
    while not enough(items):
        assert time.monotonic() < deadline, items
        items += microphone.backlog.take()
        time.sleep(0.005)
    return items


def kinds(items: list[Item]) -> list[str]:
    """The names of what came, blocks that follow each other as one."""
    names = [type(item).__name__ for item in items]
    return [
        name for k, name in enumerate(names) if k == 0 or name != "Block" or names[k - 1] != "Block"
    ]


def blocks_after(kind: type) -> Callable[[list[Item]], bool]:
    """Is there a block after the last of a kind?"""

    def enough(items: list[Item]) -> bool:
        at = max((k for k, item in enumerate(items) if isinstance(item, kind)), default=None)
        return at is not None and any(isinstance(item, Block) for item in items[at:])

    return enough


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO, errno.EBADFD])
def test_a_microphone_that_is_unplugged_is_heard_again_when_it_is_back(
    alsa_device: Any, listen: Callable[..., Microphone], code: int
) -> None:
    alsa_device(SAMPLES)
    items = until(listen(plan=[3, -1, -1], code=code), blocks_after(Gap))
    assert kinds(items) == ["Setup", "Block", "Lost", "Lost", "Setup", "Gap", "Block"]
    lost, missing = [item for item in items if isinstance(item, Lost)]
    assert (lost.state, missing.state) == ("lost", "lost")
    assert "stopped working" in lost.sentence
    assert "there is no capture device" in missing.sentence
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert gap.reason == "unplugged"
    assert gap.frames > 0


def test_a_device_that_appears_later_is_waited_for(
    alsa_device: Any, listen: Callable[..., Microphone], tmp_path: Path
) -> None:
    path = alsa_device(SAMPLES)
    path.rename(tmp_path / "away.raw")  # libasound itself says that there is no such device
    microphone = listen()
    items = until(microphone, bool)
    assert [item.state for item in items if isinstance(item, Lost)] == ["waiting"]
    assert (microphone.failure is not None, microphone.heard) == (True, None)
    (tmp_path / "away.raw").rename(path)
    items += until(microphone, blocks_after(Setup))
    assert kinds(items) == ["Lost", "Setup", "Block"]
    assert microphone.failure is None


def test_what_is_wrong_is_told_once(alsa_device: Any, listen: Callable[..., Microphone]) -> None:
    alsa_device(SAMPLES)
    items = until(listen(plan=[-1] * 6), blocks_after(Setup))
    assert kinds(items) == ["Lost", "Setup", "Block"]


def test_a_stalled_device_is_opened_again_and_the_gap_is_as_long_as_it_was_silent(
    alsa_microphone: Any, listen: Callable[..., Microphone], tmp_path: Path
) -> None:
    hanging = alsa_microphone(SAMPLES[: 4 * 512], seconds=0.001)
    microphone = listen(stall_seconds=0.3)
    items = until(microphone, lambda items: any(isinstance(item, Lost) for item in items))
    assert hanging.is_set()
    assert items[-1] == Lost(
        "stalled", "hw:1 is open but delivered no audio for 0.3 s: reconnect the microphone"
    )
    fifo = os.open(tmp_path / "microphone", os.O_RDWR | os.O_NONBLOCK)
    deadline = time.monotonic() + 30
    while not blocks_after(Gap)(
        items
    ):  # the reader that hangs still has the device, and takes some of it
        assert time.monotonic() < deadline
        os.write(fifo, SAMPLES[:512].tobytes())
        items += microphone.backlog.take()
        time.sleep(0.01)
    os.close(fifo)
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert gap.reason == "stalled"
    assert gap.frames >= 0.3 * RATE - 2 * 512


def test_overruns_stay_gaps_of_one_opening(
    alsa_device: Any, listen: Callable[..., Microphone]
) -> None:
    alsa_device(SAMPLES)
    items = until(listen(plan=[3], code=errno.EPIPE), blocks_after(Gap))
    assert kinds(items)[:3] == ["Setup", "Block", "Gap"]
    assert not any(isinstance(item, Lost) for item in items)


def test_it_can_be_closed_while_it_waits(
    listen: Callable[..., Microphone], alsa_device: Any
) -> None:
    alsa_device(SAMPLES)
    microphone = listen(plan=[-1] * 1000)
    until(microphone, bool)
    microphone.close()
    assert not microphone._thread.is_alive()


def test_a_capture_is_given_the_channels_that_are_wanted(alsa_device: Any) -> None:
    stereo = np.stack([SAMPLES, -SAMPLES, 2 * SAMPLES], axis=1)
    alsa_device(stereo)
    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE, channels=[2, 0])
    items = until(microphone, blocks_after(Setup))
    microphone.close()
    setup, block = items[0], items[1]
    assert isinstance(setup, Setup)
    assert isinstance(block, Block)
    assert setup.channels == 3
    np.testing.assert_array_equal(
        setup.decode(block.raw), stereo[: block.frames] / np.float32(2**15)
    )


def test_it_opens_captures_unless_told_otherwise(alsa_device: Any) -> None:
    alsa_device(SAMPLES)
    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE)
    microphone.close()
    assert microphone._opens is Capture


class Clock:
    """The time of a test, in which nothing passes by itself."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A device that is opened again and again, each time with a part of a script.

    A step is what passes, and its seconds: ("block", s) is heard, ("gap", s) lost, after ("away", s) it fails.
    """

    samplerate, channels, format = RATE, 1, "S16_LE"
    decode = None

    def __init__(self, clock: Clock, script: list[tuple[str, float]]) -> None:
        self._clock, self._script = clock, script

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check_stall(self) -> None:
        pass

    def start(self, deliver: Callable[[Any], None]) -> None:
        while self._script:
            kind, seconds = self._script.pop(0)
            self._clock.now += seconds
            frames = round(seconds * RATE)
            if kind == "block":
                deliver(Block(bytearray(2 * frames), frames, self._clock.now))
            elif kind == "gap":
                deliver(Gap(frames, "suspended"))
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
def test_every_second_is_heard_or_told_as_lost_once(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, float]]
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "now", clock)
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)
    script = [("block", 0.032), *steps]
    microphone = Microphone(
        "hw:1",
        CaptureQueue(Condition(), 100.0),
        samplerate=RATE,
        opens=lambda *_, **__: Scripted(clock, script),
    )
    deadline = time.monotonic() + 30
    while script or (steps and steps[-1][0] == "away" and microphone._failure is None):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    microphone.close()
    items = microphone.backlog.take()
    last = microphone.missed()
    told = sum(item.frames for item in [*items, last] if isinstance(item, Block | Gap))
    assert told == pytest.approx((clock.now - 1000.0) * RATE, abs=2 * len(script) + 16)


class Exclusive(Alsa):
    """A device that one handle has, and whose first reader hangs until it is let go."""

    held: ClassVar[list[int]] = []
    let_go = Event()
    hangs: ClassVar[list[bool]] = [True]

    def call(self, name: str, *arguments: Any) -> int:
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
    alsa_device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa_device(SAMPLES)
    monkeypatch.setattr("edgeae.runtime.capture.capture.Alsa", Exclusive)
    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE, stall_seconds=0.1)
    items = until(microphone, lambda items: sum(isinstance(item, Lost) for item in items) == 2)
    assert (
        "in use by another program"
        in [item.sentence for item in items if isinstance(item, Lost)][-1]
    )
    Exclusive.let_go.set()
    items += until(microphone, blocks_after(Setup))
    items += until(microphone, blocks_after(Block))
    microphone.close()
    assert kinds(items)[:2] == ["Lost", "Lost"]
    assert kinds(items)[2:] == ["Setup", "Block"]


def test_a_device_that_fails_otherwise_is_tried_again(alsa_device: Any) -> None:
    alsa_device(SAMPLES)
    failures = [OSError(24, "Too many open files"), ValueError("a mistake of ours")]

    def opens(*arguments: Any, **options: Any) -> Capture:
        if failures:
            raise failures.pop()
        return Capture(*arguments, **options)

    microphone = Microphone("hw:1", CaptureQueue(Condition()), samplerate=RATE, opens=opens)
    items = until(microphone, blocks_after(Setup))
    microphone.close()
    assert kinds(items) == ["Lost", "Lost", "Setup", "Block"]
