"""Score microphones for months: each delivers in threads of its own, one thread scores.

Microphone (threads) -> CaptureQueue --+
Microphone (threads) -> CaptureQueue --+--> listen: DeviceRoute -> Source -> LinePublisher -> Outbox
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Condition

import numpy as np

from ..audio.channel import Channel, select_channel
from ..audio.full_scale import MAX_AMPLITUDE
from ..capture.blocks import Block, Gap
from ..capture.microphone import Microphone
from ..capture.negotiate import FormatRefusedError
from ..capture.queue import CaptureFailed, CaptureStarted, QueueItem
from ..errors import AudioError
from ..system.arrays import Float32
from ..system.clock import now
from .source import Source, publish_pending

# At most this long without looking at the devices; more than the sound for which a device wakes
# its reader, or both would wake the scoring.
TICK_SECONDS = 1.5
TRIM_SECONDS = 60.0
MAX_BLOCK_SECONDS = 1.0  # of joined blocks
# Where sound is recorded: the clip of an alarm begins where the alarm does, however much waited.
MAX_RECORDED_BLOCK_SECONDS = 0.26
MAX_INVALID_SAMPLES = 4096  # that are dropped together


@dataclass
class DeviceRoute:
    """Carries the sound of a microphone to one source for each of its channels."""

    microphone: Microphone
    sources: list[tuple[Channel, Source]]
    setup: CaptureStarted | None = None

    @property
    def has_delivered(self) -> bool:
        """True if the microphone has delivered sound."""
        return self.microphone.last_sound_time is not None

    @property
    def samplerate(self) -> int:
        """Hz, of the device; 1 before it started, when there are no blocks."""
        return self.setup.samplerate if self.setup else 1

    @property
    def done(self) -> bool:
        """True if all of its sources are done, or its microphone was never there."""
        if not self.has_delivered:
            return self.microphone.failure is not None
        silent_seconds = self.microphone.silent_seconds if self.microphone.failure else 0.0
        return all(source.done(silent_seconds) for _, source in self.sources)

    def forward(self) -> None:
        """Push what the microphone has delivered into the sources."""
        is_recorded = any(source.records_sound for _, source in self.sources)
        max_seconds = MAX_RECORDED_BLOCK_SECONDS if is_recorded else MAX_BLOCK_SECONDS
        for item in join_blocks(self.microphone.queue.pop_all(), max_seconds, self.samplerate):
            if isinstance(item, CaptureStarted):
                self._start(item)
            elif isinstance(item, Block):
                self._forward_block(item)
            elif isinstance(item, Gap):
                for _, source in self.sources:
                    source.push_gap(item.frames, item.reason)
            else:
                self._report_failure(item)

    def finish(self) -> None:
        """Close the microphone, forward what remains, and finish the sources."""
        self.microphone.close()
        if self.has_delivered or any(source.published for _, source in self.sources):
            self.forward()
        gap = self.microphone.unreported_gap()
        for _, source in self.sources:
            if gap and not source.done():
                source.push_gap(gap.frames, gap.reason)
            source.finish()

    def _start(self, setup: CaptureStarted) -> None:
        self.setup = setup
        for _, source in self.sources:
            source.start(setup.samplerate, setup.channels, setup.format)

    def _report_failure(self, failure: CaptureFailed) -> None:
        for _, source in self.sources:
            source.publish_status(failure.state, sentence=failure.sentence)

    def _forward_block(self, block: Block) -> None:
        if self.setup is None:
            return
        samples = self.setup.decode(block.raw)
        for channel, source in self.sources:
            if source.done():
                continue
            # Samples that are not numbers are found by `push_valid`.
            with np.errstate(all="ignore"):
                mono = select_channel(samples, channel)
            push_valid(source, mono, block.end_time)


def push_valid(source: Source, samples: Float32, end_time: float) -> None:
    """Push a block (n,); a part that is not valid sound counts as lost, the device goes on."""
    try:
        source.push(samples, end_time)
    except AudioError:
        if len(samples) > MAX_INVALID_SAMPLES:
            for first in range(0, len(samples), MAX_INVALID_SAMPLES):
                push_valid(source, samples[first : first + MAX_INVALID_SAMPLES], end_time)
            return
        invalid = np.flatnonzero(~(np.abs(samples) <= MAX_AMPLITUDE))
        if not len(invalid):
            # Whole numbers, as of integers that were not divided by their full scale.
            source.push(samples[:0], end_time)
            source.push_gap(len(samples), "not on the scale of sound")
            return
        first = int(invalid[0])
        after = int(invalid[-1]) + 1
        source.push(samples[:first], end_time)
        source.push_gap(after - first, "not numbers")
        source.push(samples[after:], end_time)


def join_blocks(
    items: Sequence[QueueItem], max_seconds: float, samplerate: int
) -> Iterator[QueueItem]:
    """Yield the items; blocks in a row become one of up to ``max_seconds``.

    samplerate: Hz, until a CaptureStarted says another.
    """
    blocks: list[Block] = []
    n_frames = 0
    for item in items:
        n_new = item.frames if isinstance(item, Block) else 0
        if not isinstance(item, Block) or n_frames + n_new > max_seconds * samplerate:
            yield from _joined(blocks)
            blocks = []
            n_frames = 0
        if isinstance(item, CaptureStarted):
            samplerate = item.samplerate
        if isinstance(item, Block):
            blocks.append(item)
            n_frames += n_new
        else:
            yield item
    yield from _joined(blocks)


def _joined(blocks: list[Block]) -> Iterator[Block]:
    """Yield one block of several; nothing of none."""
    if blocks:
        raw = bytearray().join(block.raw for block in blocks)
        n_frames = sum(block.frames for block in blocks)
        yield Block(raw, n_frames, blocks[-1].end_time)


def listen(
    routes: Sequence[DeviceRoute],
    data_ready: Condition,
    stopped: Callable[[], bool],
    tick: Callable[[], None],
    *,
    wait: float,
    give_up: float,
) -> None:
    """Score microphones until all sources are done or ``stopped`` returns True.

    routes: the microphones and their sources.
    data_ready: the Condition of all their queues.
    tick: called about once a second.
    wait: seconds until the first sound of any microphone has to come.
    give_up: seconds that all microphones may be silent later on.

    Raises DeviceError when no microphone delivers for too long.
    """
    microphones = [route.microphone for route in routes]
    sources = [source for route in routes for _, source in route.sources]
    trimmed_at = now()
    while not stopped() and not _all_done(routes):
        if now() - trimmed_at > TRIM_SECONDS:
            _trim_memory()
            trimmed_at = now()
        with data_ready:
            data_ready.wait_for(
                lambda: any(microphone.queue.ready for microphone in microphones), TICK_SECONDS
            )
        _check_failures(microphones, wait, give_up)
        for route in routes:
            route.forward()
        publish_pending(sources)
        tick()


def _all_done(routes: Sequence[DeviceRoute]) -> bool:
    return any(route.has_delivered for route in routes) and all(route.done for route in routes)


def _trim_memory() -> None:
    """Return freed memory to the system: in months, holes in the heap would become megabytes."""
    # Not every C library has malloc_trim.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _check_failures(microphones: Sequence[Microphone], wait: float, give_up: float) -> None:
    """Raise the first failure if all microphones fail, for too long or for ever."""
    failures = [microphone.failure for microphone in microphones if microphone.failure]
    if len(failures) < len(microphones):
        return
    delivered = any(microphone.last_sound_time is not None for microphone in microphones)
    hopeless = not delivered and all(
        isinstance(failure, FormatRefusedError) for failure in failures
    )
    silent_seconds = min(microphone.silent_seconds for microphone in microphones)
    max_silent_seconds = give_up if delivered else wait
    if hopeless or silent_seconds >= max_silent_seconds:
        raise failures[0]
