"""What a capture device delivers."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from edgeae.runtime.capture.blocks import (
    Block,
    CaptureItem,
    CaptureLimits,
    Deliver,
    Gap,
    sound_blocks,
)
from edgeae.runtime.errors import DeviceError
from edgeae.runtime.system.arrays import Float32


def test_blocks_are_equal_by_their_sound_and_time() -> None:
    assert Block(bytearray(b"ab"), 1, 2.0) == Block(bytearray(b"ab"), 1, 2.0)
    assert Block(bytearray(b"ab"), 1, 2.0) != Block(bytearray(b"ac"), 1, 2.0)
    assert Block(bytearray(b"ab"), 1, 2.0) != Block(bytearray(b"ab"), 1, 2.5)


def test_a_gap_that_is_in_a_queue_cannot_change() -> None:
    gap = Gap(512, "overrun")
    with pytest.raises(FrozenInstanceError):
        gap.frames = 0  # type: ignore[misc]


class Recorded:
    """A capture that delivers these items at once."""

    def __init__(self, *items: CaptureItem) -> None:
        self._items = items
        self.stopped = False

    def start(self, deliver: Deliver) -> None:
        for item in self._items:
            deliver(item)

    def check_stall(self) -> None:
        self.stopped = True

    def decode(self, raw: bytes | bytearray) -> Float32:
        return np.frombuffer(raw, np.int8).astype(np.float32).reshape(-1, 2)


def test_a_channel_is_yielded_with_its_gaps_until_the_capture_stops() -> None:
    capture = Recorded(Block(bytearray(b"\1\2\3\4"), 2, 0.0), Gap(7, "network"))
    block, gap = sound_blocks(capture, 1, CaptureLimits())
    assert isinstance(block, np.ndarray)
    assert block.tolist() == [2.0, 4.0]
    assert gap == Gap(7, "network")


def test_a_failure_is_raised() -> None:
    with pytest.raises(DeviceError, match="unplugged"):
        next(sound_blocks(Recorded(DeviceError("unplugged")), 0, CaptureLimits()))
