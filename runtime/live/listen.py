"""Listening for months: all microphones, one thread that scores.

Microphone (threads) -> Backlog --+
Microphone (threads) -> Backlog --+--> listen: DeviceRoute -> Source -> Teller -> Outbox (threads)
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Condition

import numpy as np

from ..audio.channel import Channel, select_channel
from ..audio.sound_file import MAX_AMPLITUDE
from ..capture.blocks import Block, Gap
from ..capture.microphone import Microphone
from ..capture.negotiate import FormatRefusedError
from ..capture.queue import CaptureFailed, CaptureStarted, QueueItem
from ..errors import AudioError
from ..system.arrays import Float32
from ..system.clock import now
from .source import Source, tell

TICK_SECONDS = (
    1.0  # more than what wakes the listening (`edgeae.runtime.capture.queue`), or both would
)
TRIM_SECONDS = 60.0
TOGETHER = 8  # blocks, a quarter of a second: an alarm's clip begins where the alarm does, however much waited


@dataclass
class DeviceRoute:
    """A microphone, and a source for each of its channels that is listened to."""

    microphone: Microphone
    sources: list[tuple[Channel, Source]]
    setup: CaptureStarted | None = None

    @property
    def heard(self) -> bool:
        """It has delivered sound."""
        return self.microphone.last_sound_time is not None

    @property
    def done(self) -> bool:
        """All of its sources are; of a microphone that was never there, too."""
        if not self.heard:
            return self.microphone.failure is not None
        silent = self.microphone.silent_seconds if self.microphone.failure else 0.0
        return all(source.done(silent) for _, source in self.sources)

    def hear(self) -> None:
        """Take in what the microphone has delivered."""
        for item in batched(self.microphone.queue.pop_all()):
            if isinstance(item, CaptureStarted):
                self.setup = item
            samples = (
                self.setup.decode(item.raw) if isinstance(item, Block) and self.setup else None
            )
            for channel, source in self.sources:
                if isinstance(item, CaptureStarted):
                    source.begin(item.samplerate, item.channels, item.format)
                elif isinstance(item, Gap):
                    source.gap(item.frames, item.reason)
                elif isinstance(item, CaptureFailed):
                    source.status(item.state, sentence=item.sentence)
                elif samples is not None and not source.done():
                    with np.errstate(all="ignore"):  # of what is no sound; `_hear` finds it
                        mono = select_channel(samples, channel)
                    _hear(source, mono, item.end_time)

    def end(self) -> None:
        """Take in the rest, and what is missing at the end."""
        self.microphone.close()
        if self.heard or any(source.told for _, source in self.sources):
            self.hear()
        missed = self.microphone.unreported_gap()
        for _, source in self.sources:
            if missed and not source.done():
                source.gap(missed.frames, missed.reason)
            source.end()


def _hear(source: Source, samples: Float32, heard: float) -> None:
    """A device that delivers what is no sound is not given up: that part counts as lost."""
    try:
        source.hear(samples, heard)
    except AudioError:
        wrong = np.flatnonzero(~(np.abs(samples) <= MAX_AMPLITUDE))
        first, after = int(wrong[0]), int(wrong[-1]) + 1
        source.hear(samples[:first], heard)
        source.gap(after - first, "not numbers")
        source.hear(samples[after:], heard)


def batched(items: Sequence[QueueItem]) -> Iterator[QueueItem]:
    """``items`` with blocks that follow each other as one, but not more than ``TOGETHER``."""
    blocks: list[Block] = []
    for item in items:
        if not isinstance(item, Block) or len(blocks) == TOGETHER:
            yield from _joined(blocks)
            blocks = []
        if isinstance(item, Block):
            blocks.append(item)
        else:
            yield item
    yield from _joined(blocks)


def _joined(blocks: list[Block]) -> Iterator[Block]:
    if blocks:
        raw = bytearray().join(block.raw for block in blocks)
        yield Block(raw, sum(block.frames for block in blocks), blocks[-1].end_time)


def listen(
    ears: Sequence[DeviceRoute],
    bell: Condition,
    stopped: Callable[[], bool],
    tick: Callable[[], None],
    *,
    wait: float,
    give_up: float,
) -> None:
    """Until all sources are done or ``stopped``. DeviceError when no device is heard for too long.

    bell: of all backlogs. tick: called once a second or more often. wait, give_up: seconds until the first
    sound, and without any sound later on.
    """
    trimmed = now()
    while not stopped() and not _all_done(ears):
        if now() - trimmed > TRIM_SECONDS:
            _trim_memory()
            trimmed = now()
        with bell:
            bell.wait_for(lambda: any(ear.microphone.queue.ready for ear in ears), TICK_SECONDS)
        _check_heard([ear.microphone for ear in ears], wait, give_up)
        for ear in ears:
            ear.hear()
        tell([source for ear in ears for _, source in ear.sources])
        tick()


def _all_done(ears: Sequence[DeviceRoute]) -> bool:
    return any(ear.heard for ear in ears) and all(ear.done for ear in ears)


def _trim_memory() -> None:
    """Give back what freed blocks of sound left in the heap: in months, holes would add up to megabytes."""
    with contextlib.suppress(AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)


def _check_heard(microphones: Sequence[Microphone], wait: float, give_up: float) -> None:
    failures = [microphone.failure for microphone in microphones if microphone.failure]
    if len(failures) < len(microphones):
        return
    heard = any(microphone.last_sound_time is not None for microphone in microphones)
    hopeless = not heard and all(isinstance(failure, FormatRefusedError) for failure in failures)
    if hopeless or min(microphone.silent_seconds for microphone in microphones) >= (
        give_up if heard else wait
    ):
        raise failures[0]
