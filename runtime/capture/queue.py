"""Between a microphone and the listening: sound that waits, and never more of it than is allowed.

    thread of the device --put--> | Setup | Block | Block | Gap | Block | ... | --take--> listening

When the listening falls behind, the oldest sound is dropped and a Gap stands in its place: a late score
helps nobody, and memory is finite. A real device cannot deliver sound faster than the clock. What does
(a file that plays as a device) waits for room, so that nothing of it is lost.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from ..system.arrays import Float32
from .capture import Block, Gap

SECONDS = 10.0  # of sound that may wait
BATCH_SECONDS = (
    0.5  # of sound that wakes the listening: waking for each period costs more than hearing it
)
AHEAD_SECONDS = (
    4.0  # of sound that a device can be ahead of the clock: what its ring held, and more
)
DRIFT = 1.01  # a sound card's clock may be fast by less than this
WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Setup:
    """A device begins to deliver."""

    samplerate: int  # Hz
    channels: int
    format: str
    decode: Callable[
        [bytes | bytearray], Float32
    ]  # what it delivers as (frames, channels), full scale 1


@dataclass(frozen=True)
class Lost:
    """A device delivers nothing any more, or not yet, and why."""

    state: str  # "waiting" before the first sound, then "lost" or "stalled"
    sentence: str


Item = Setup | Block | Gap | Lost


class CaptureQueue:
    """What one device delivered and nobody has taken yet."""

    def __init__(self, bell: Condition, seconds: float = SECONDS) -> None:
        """bell: rung when there is something to take; several backlogs share one."""
        self._bell, self._seconds = bell, seconds
        self._items: deque[Item] = deque()
        self._samplerate = 1
        self._frames = 0  # that wait
        self._news = False  # a Setup or Lost waits
        self._ahead, self._heard = 0.0, 0.0  # seconds
        self.open = True

    @property
    def ready(self) -> bool:
        """It is worth taking what waits."""
        return self._news or self._frames >= BATCH_SECONDS * self._samplerate

    def put(self, item: Item) -> None:
        """Add what the device delivered; the oldest sound makes room."""
        with self._bell:
            self._news |= isinstance(item, Setup | Lost)
            if isinstance(item, Setup):
                self._samplerate, self._ahead, self._heard = item.samplerate, 0.0, 0.0
            if isinstance(item, Block):
                self._make_room(item)
                self._frames += item.frames
            if isinstance(item, Gap) and self._items and isinstance(last := self._items[-1], Gap):
                self._items[-1] = Gap(last.frames + item.frames, last.reason)
            else:
                self._items.append(item)
            if self.ready:
                self._bell.notify_all()

    def take(self) -> list[Item]:
        """All that waits, in its order; a Gap at the end may still grow, and stays until sound follows."""
        with self._bell:
            taken = list(self._items)
            self._items.clear()
            if self.open and taken and isinstance(taken[-1], Gap):
                self._items.append(taken.pop())
            self._frames, self._news = 0, False
            self._bell.notify_all()
        return taken

    def close(self) -> None:
        """Nobody waits for room any more."""
        with self._bell:
            self.open = False
            self._bell.notify_all()

    def _make_room(self, block: Block) -> None:
        seconds = block.frames / self._samplerate
        passed = block.heard - self._heard if self._heard else 0.0
        self._ahead, self._heard = max(0.0, self._ahead + seconds - DRIFT * passed), block.heard
        while (
            self.open
            and self._frames
            and self._frames + block.frames > self._seconds * self._samplerate
        ):
            if self._ahead > AHEAD_SECONDS:
                self._bell.wait(WAIT_SECONDS)
            else:
                self._drop()

    def _drop(self) -> None:
        """Put a Gap in the place of the oldest Block, one with the Gap of the block dropped before it."""
        at = next(k for k, item in enumerate(self._items) if isinstance(item, Block))
        dropped = self._items[at]
        assert isinstance(dropped, Block)
        self._frames -= dropped.frames
        before = self._items[at - 1] if at else None
        if isinstance(before, Gap):
            self._items[at - 1] = Gap(before.frames + dropped.frames, before.reason)
            del self._items[at]
        else:
            self._items[at] = Gap(dropped.frames, "backlog")
