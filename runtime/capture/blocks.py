"""What a capture device delivers: blocks of sound, and gaps where sound was lost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """One period of sound, as the device encodes it."""

    raw: bytearray
    frames: int
    end_time: (
        float  # when its last frame was captured, seconds of `edgeae.runtime.system.clock.now`
    )


@dataclass(frozen=True)
class Gap:
    """Sound that was lost: about how many frames at the device's rate, and why."""

    frames: int
    reason: str
