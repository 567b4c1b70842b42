"""Live sound on its way to the detector: resampling, gaps, a limited duration, a clean stop."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

import numpy as np

from ..audio.resample import Resampler
from ..capture.blocks import Gap
from ..scoring.pipeline import Pipeline
from ..scoring.window_stream import Window, WindowStream, checked, infer_batched
from ..system.arrays import Float32


class Stream:
    """Live sound at any rate: blocks and gaps in, windows out."""

    def __init__(self, pipeline: Pipeline, samplerate: int, start: float = 0.0) -> None:
        """pipeline: makes windows of sound.

        samplerate: Hz, of the blocks.
        start: seconds of sound before this stream.
        """
        self.samplerate = samplerate  # Hz
        self.window_stream: WindowStream = pipeline.window_stream(samplerate)
        self._start = start
        self._rate = pipeline.spec.sample_rate
        self._frames = 0
        self._restart()

    @property
    def seconds(self) -> float:
        """Seconds of sound so far, gaps included."""
        return self._start + self._frames / self.samplerate

    @property
    def t(self) -> float:
        """The same, rounded as in lines."""
        return round(self.seconds, 3)

    @property
    def full(self) -> bool:
        """True if it holds a whole decision window since the start or the last gap."""
        return self.window_stream.is_warm

    def push(self, block: Float32) -> list[Window]:
        """Add a block (n,), full scale 1, and return the windows that it completes.

        Raises AudioError, and adds nothing, if the block is not valid sound.
        """
        self.add(block)
        return infer_batched([self.window_stream])[0]

    def add(self, block: Float32) -> None:
        """Add a block as `push` does, but compute its windows later, for many streams at once."""
        samples = checked(block)
        self._frames += len(block)
        self.window_stream.measure(samples)
        self.window_stream.push_pending(self._resampler.push(samples))

    def gap(self, frames: int) -> None:
        """Continue after lost sound: no window mixes sound from before and after it."""
        self._frames += frames
        self._restart()

    def flush(self) -> list[Window]:
        """Return the windows that the end of the sound completes.

        Raises AudioError if there is less than a patch since the last gap.
        """
        empty = np.empty(0, np.float32)
        windows = self.window_stream.push(self._resampler.push(empty, last=True))
        return windows + self.window_stream.flush()

    def _restart(self) -> None:
        self.window_stream.reset(int(self.seconds * self._rate))
        self._resampler = Resampler(self.samplerate, self._rate)


def limited(items: Iterable[Float32 | Gap], max_frames: int) -> Iterator[Float32 | Gap]:
    """Yield items until they hold ``max_frames`` frames, lost ones included; the last is cut."""
    remaining = max_frames
    for item in items:
        if isinstance(item, Gap):
            remaining -= item.frames
            yield item
        else:
            yield item[: max(remaining, 0)]
            remaining -= len(item)
        if remaining <= 0:
            return


@contextlib.contextmanager
def stopping(stop: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Call ``stop`` on SIGINT, SIGTERM and SIGHUP; gives the list of signals that were received.

    SIGHUP comes when a terminal is closed; where it is ignored (nohup), it stays ignored.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if stop:
            stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
