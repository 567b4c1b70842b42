"""Between a microphone and the scoring: a queue of sound with a fixed maximum length.

    capture thread --put--> | Started | Block | Block | Gap | Block | ... | --pop_all--> scoring

When the scoring is too slow, the queue drops the oldest sound and puts a Gap in its place: a late
score is useless, and memory is limited. A real device cannot deliver sound faster than the clock.
A source that does (a file that plays as a device) waits for room, so that none of it is lost.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from ..system.arrays import Float32
from .blocks import Block, Gap


@dataclass(frozen=True)
class QueueLimits:
    """Lengths of a CaptureQueue, in seconds of sound, and what tells a device from a file."""

    max_seconds: float = 10.0
    # The scoring wakes for this much sound: a little less than that for which the thread that reads
    # the device wakes (`edgeae.runtime.capture.microphone`), so that one follows the other.
    batch_seconds: float = 0.95
    # How far a device can be ahead of the clock: more than its ring holds.
    max_ahead_seconds: float = 6.0
    # The clock of a sound card may be faster than ours by less than this factor.
    max_clock_ratio: float = 1.01
    # Between two looks whether there is room, of a file that waits.
    poll_seconds: float = 0.1


@dataclass(frozen=True)
class CaptureStarted:
    """A device begins to deliver."""

    samplerate: int  # Hz
    channels: int
    format: str
    # Decodes `Block.raw` to (frames, channels), full scale 1.
    decode: Callable[[bytes | bytearray], Float32]


@dataclass(frozen=True)
class CaptureFailed:
    """A device delivers nothing any more, or not yet, and why."""

    state: str  # "waiting" before the first sound, then "lost" or "stalled"
    sentence: str


QueueItem = CaptureStarted | Block | Gap | CaptureFailed


class CaptureQueue:
    """The items that one device delivered and nobody has processed yet."""

    def __init__(self, data_ready: Condition, limits: QueueLimits | None = None) -> None:
        """data_ready: notified when it is worth calling `pop_all`; several queues may share it."""
        self.open = True
        self._data_ready = data_ready
        self._limits = limits or QueueLimits()
        self._items: deque[QueueItem] = deque()
        self._samplerate = 1
        self._queued_frames = 0
        self._has_state_change = False  # a CaptureStarted or CaptureFailed is in the queue
        self._ahead_seconds = 0.0
        self._last_end_time: float | None = None

    @property
    def ready(self) -> bool:
        """True if it is worth calling `pop_all`."""
        batch_frames = self._limits.batch_seconds * self._samplerate
        return self._has_state_change or self._queued_frames >= batch_frames

    def put(self, item: QueueItem) -> None:
        """Add an item. If the queue is full, the oldest sound is dropped, or a file waits."""
        with self._data_ready:
            if isinstance(item, CaptureStarted | CaptureFailed):
                self._has_state_change = True
            if isinstance(item, CaptureStarted):
                self._samplerate = item.samplerate
                self._ahead_seconds = 0.0
                self._last_end_time = None
            if isinstance(item, Block):
                self._track_clock(item)
                self._make_room(item)
                self._queued_frames += item.frames
            self._append(item)
            if self.ready:
                self._data_ready.notify_all()

    def pop_all(self) -> list[QueueItem]:
        """Remove and return all items in order.

        A Gap at the end may still grow, so it stays until sound follows it.
        """
        with self._data_ready:
            items = list(self._items)
            self._items.clear()
            if self.open and items and isinstance(items[-1], Gap):
                self._items.append(items.pop())
            self._queued_frames = 0
            self._has_state_change = False
            self._data_ready.notify_all()
        return items

    def close(self) -> None:
        """Let nobody wait for room any more."""
        with self._data_ready:
            self.open = False
            self._data_ready.notify_all()

    def _append(self, item: QueueItem) -> None:
        """Add an item at the end; a Gap behind a Gap extends it."""
        last = self._items[-1] if self._items else None
        if isinstance(item, Gap) and isinstance(last, Gap):
            self._items[-1] = Gap(last.frames + item.frames, last.reason)
        else:
            self._items.append(item)

    def _track_clock(self, block: Block) -> None:
        """Update how far the source is ahead of the clock, which a real device cannot be."""
        elapsed = 0.0 if self._last_end_time is None else block.end_time - self._last_end_time
        gained = block.frames / self._samplerate - self._limits.max_clock_ratio * elapsed
        self._ahead_seconds = max(0.0, self._ahead_seconds + gained)
        self._last_end_time = block.end_time

    def _make_room(self, block: Block) -> None:
        """Drop the oldest blocks until `block` fits, or wait for room if the source is a file."""
        max_frames = self._limits.max_seconds * self._samplerate
        while self.open and self._queued_frames and self._queued_frames + block.frames > max_frames:
            if self._ahead_seconds > self._limits.max_ahead_seconds:
                self._data_ready.wait(self._limits.poll_seconds)
            else:
                self._drop_oldest_block()

    def _drop_oldest_block(self) -> None:
        """Replace the oldest Block by a Gap, joined with the Gap of a block dropped before it."""
        blocks = (
            (index, item) for index, item in enumerate(self._items) if isinstance(item, Block)
        )
        index, oldest = next(blocks)
        self._queued_frames -= oldest.frames
        previous = self._items[index - 1] if index else None
        if isinstance(previous, Gap):
            self._items[index - 1] = Gap(previous.frames + oldest.frames, previous.reason)
            del self._items[index]
        else:
            self._items[index] = Gap(oldest.frames, "backlog")
