"""What a capture device delivers."""

from dataclasses import FrozenInstanceError

import pytest

from edgeae.runtime.capture.blocks import Block, Gap


def test_blocks_are_equal_by_their_sound_and_time() -> None:
    assert Block(bytearray(b"ab"), 1, 2.0) == Block(bytearray(b"ab"), 1, 2.0)
    assert Block(bytearray(b"ab"), 1, 2.0) != Block(bytearray(b"ac"), 1, 2.0)
    assert Block(bytearray(b"ab"), 1, 2.0) != Block(bytearray(b"ab"), 1, 2.5)


def test_a_gap_that_is_in_a_queue_cannot_change() -> None:
    gap = Gap(512, "overrun")
    with pytest.raises(FrozenInstanceError):
        gap.frames = 0  # type: ignore[misc]
