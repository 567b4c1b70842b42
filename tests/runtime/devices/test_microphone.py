"""A device that is opened again whenever it fails, by real libasound over files and by injected faults."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np
import pytest

from edgeae.runtime.devices import microphone as module
from edgeae.runtime.devices.alsa import Alsa, AlsaError
from edgeae.runtime.devices.backlog import Backlog, Item, Lost, Setup
from edgeae.runtime.devices.capture import Block, Capture, Gap
from edgeae.runtime.devices.microphone import Microphone

RATE = 16000
SAMPLES = (np.arange(RATE) % 1000).astype(np.int16)


class Unplugged(Alsa):
    """libasound whose devices give what `plan` says: how many reads until they are unplugged, one number an opening."""

    plan: list[int | float]
    codes = (errno.ENODEV,)

    def __init__(self) -> None:
        super().__init__()
        self._left = 0.0

    def call(self, name: str, *arguments: Any) -> int:
        if name == "snd_pcm_open":
            self._left = self.plan.pop(0) if self.plan else float("inf")
            if self._left < 0:
                raise AlsaError(errno.ENODEV, "No such device")
        if name == "snd_pcm_readi":
            self._left -= 1
            if self._left < 0:
                self._left = float("inf")
                raise AlsaError(self.codes[0], "injected")
        return super().call(name, *arguments)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Microphone]]:
    """``listen(device, plan)``: a microphone whose openings go as planned."""
    opened: list[Microphone] = []

    def start(device: str = "hw:1", plan: list[int | float] | None = None, **options: Any) -> Microphone:
        library: Any = type(
            "Planned", (Unplugged,), {"plan": plan or [], "codes": options.pop("codes", (errno.ENODEV,))}
        )
        monkeypatch.setattr("edgeae.runtime.devices.capture.Alsa", library)
        opened.append(Microphone(device, Backlog(Condition()), samplerate=RATE, **options))
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
    return [name for k, name in enumerate(names) if k == 0 or name != "Block" or names[k - 1] != "Block"]


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
    items = until(listen(plan=[3, -1, -1], codes=(code,)), blocks_after(Gap))
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
    assert items[-1] == Lost("stalled", "hw:1 is open but delivered no audio for 0.3 s: reconnect the microphone")
    fifo = os.open(tmp_path / "microphone", os.O_RDWR | os.O_NONBLOCK)
    deadline = time.monotonic() + 30
    while not blocks_after(Gap)(items):  # the reader that hangs still has the device, and takes some of it
        assert time.monotonic() < deadline
        os.write(fifo, SAMPLES[:512].tobytes())
        items += microphone.backlog.take()
        time.sleep(0.01)
    os.close(fifo)
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert gap.reason == "stalled"
    assert gap.frames >= 0.3 * RATE - 2 * 512


def test_overruns_stay_gaps_of_one_opening(alsa_device: Any, listen: Callable[..., Microphone]) -> None:
    alsa_device(SAMPLES)
    items = until(listen(plan=[3], codes=(errno.EPIPE,)), blocks_after(Gap))
    assert kinds(items)[:3] == ["Setup", "Block", "Gap"]
    assert not any(isinstance(item, Lost) for item in items)


def test_it_can_be_closed_while_it_waits(listen: Callable[..., Microphone], alsa_device: Any) -> None:
    alsa_device(SAMPLES)
    microphone = listen(plan=[-1] * 1000)
    until(microphone, bool)
    microphone.close()
    assert not microphone._thread.is_alive()


def test_a_capture_is_given_the_channels_that_are_wanted(alsa_device: Any) -> None:
    stereo = np.stack([SAMPLES, -SAMPLES, 2 * SAMPLES], axis=1)
    alsa_device(stereo)
    microphone = Microphone("hw:1", Backlog(Condition()), samplerate=RATE, channels=[2, 0])
    items = until(microphone, blocks_after(Setup))
    microphone.close()
    setup, block = items[0], items[1]
    assert isinstance(setup, Setup)
    assert isinstance(block, Block)
    assert setup.channels == 3
    np.testing.assert_array_equal(setup.decode(block.raw), stereo[: block.frames] / np.float32(2**15))


def test_it_opens_captures_unless_told_otherwise(alsa_device: Any) -> None:
    alsa_device(SAMPLES)
    microphone = Microphone("hw:1", Backlog(Condition()), samplerate=RATE)
    microphone.close()
    assert microphone._opens is Capture
