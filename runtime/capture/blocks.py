"""What a capture device delivers: blocks of sound, and gaps where sound was lost."""

import contextlib
import queue
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ..audio.channel import Channel, select_channel
from ..errors import DeviceError
from ..system.arrays import Float32

WAIT_MARGIN_MS = 50
POLL_SECONDS = 0.032  # between two looks of `sound_blocks` whether the device has stalled


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


CaptureItem = Block | Gap | DeviceError
Deliver = Callable[[CaptureItem], None]


@dataclass(frozen=True)
class CaptureLimits:
    """Time limits and lengths of a capture."""

    # Without sound for so long, the device has stalled.
    stall_seconds: float = 10.0
    # Sound for which the reading thread wakes; waking costs more than reading a period.
    wake_seconds: float = 0.25
    # Periods that wait for the caller of `Capture.blocks`.
    queue_periods: int = 8

    @property
    def wait_ms(self) -> int:
        """Until the reading thread sees that it has to stop: more than the sound it wakes for, or
        it would wake for both."""
        return round(1000 * self.wake_seconds) + WAIT_MARGIN_MS

    @property
    def close_seconds(self) -> float:
        """Until the reading thread has ended, or the driver hangs: more than it waits for sound."""
        return self.wait_ms / 1000 + 0.5


class StallError(DeviceError):
    """A device that is open but delivers nothing."""


class OpenDevice(ABC):
    """A device or stream that is open; it is closed at the end of its context."""

    @abstractmethod
    def close(self) -> None:
        """Stop, and release what is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Delivering(Protocol):
    """What `sound_blocks` needs of a capture."""

    @property
    def stopped(self) -> bool: ...

    def start(self, deliver: Deliver) -> None: ...

    def check_stall(self) -> None: ...

    def decode(self, raw: bytes | bytearray) -> Float32: ...


def sound_blocks(
    capture: Delivering, channel: Channel, limits: CaptureLimits
) -> Iterator[Float32 | Gap]:
    """Yield a channel of a capture: float32 `(period,)` in [-1, 1), or a Gap.

    Ends when it is stopped. Raises DeviceError when the device is unplugged, fails or stalls.
    """
    items: queue.Queue[CaptureItem] = queue.Queue(limits.queue_periods)

    def deliver(item: CaptureItem) -> None:
        while not capture.stopped:
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=limits.wait_ms / 1000)
                break

    capture.start(deliver)
    while not capture.stopped:
        try:
            item = items.get(timeout=POLL_SECONDS)
        except queue.Empty:
            capture.check_stall()
            continue
        if isinstance(item, DeviceError):
            raise item
        if isinstance(item, Gap):
            yield item
        else:
            yield select_channel(capture.decode(item.raw), channel)
