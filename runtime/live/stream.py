"""Live sound on its way to a listener: resampling, gaps, a limited duration, a clean stop."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

import numpy as np

from ..audio.resample import Resampler
from ..capture.blocks import Gap
from ..scoring.pipeline import Pipeline
from ..scoring.window_stream import Window, checked, see
from ..system.arrays import Float32


class Stream:
    """Live sound at any rate: blocks and gaps in, windows out."""

    def __init__(self, pipeline: Pipeline, samplerate: int, start: float = 0.0) -> None:
        """start: seconds of sound before this stream."""
        self.samplerate = samplerate  # Hz
        self.window_stream, self._start = pipeline.window_stream(samplerate), start
        self._rate = pipeline.spec.sample_rate
        self._frames = 0
        self._restart()

    @property
    def seconds(self) -> float:
        """Of sound so far, gaps included."""
        return self._start + self._frames / self.samplerate

    @property
    def t(self) -> float:
        """The same, as lines tell it."""
        return round(self.seconds, 3)

    def push(self, block: Float32) -> list[Window]:
        """A block (n,), full scale 1; AudioError, and nothing was heard, if it is no sound."""
        self.hear(block)
        return see([self.window_stream])[0]

    def hear(self, block: Float32) -> None:
        """A block as for `push`, whose windows `see` gives, those of many streams at once."""
        samples = checked(block)
        self._frames += len(block)
        self.window_stream.measure(samples)
        self.window_stream.hear(self._resampler.push(samples))

    def gap(self, frames: int) -> None:
        """Nothing heard before the gap is mixed with what comes after it."""
        self._frames += frames
        self._restart()

    def _restart(self) -> None:
        self.window_stream.reset(int(self.seconds * self._rate))
        self._resampler = Resampler(self.samplerate, self._rate)

    @property
    def full(self) -> bool:
        """A whole decision window was heard since the start or the last gap."""
        return self.window_stream.full

    def flush(self) -> list[Window]:
        """The windows that the end of the sound completes; AudioError for less than a patch since the last gap."""
        return (
            self.window_stream.push(self._resampler.push(np.empty(0, np.float32), last=True))
            + self.window_stream.flush()
        )


def limited(items: Iterable[Float32 | Gap], frames: int | None) -> Iterator[Float32 | Gap]:
    """``items`` until ``frames`` frames have come, cut to the frame; lost ones count."""
    left = sys.maxsize if frames is None else frames
    for item in items:
        if isinstance(item, Gap):
            left -= item.frames
            yield item
        else:
            yield item[: max(left, 0)]
            left -= len(item)
        if left <= 0:
            return


@contextlib.contextmanager
def stopping(stop: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Call ``stop`` on SIGINT and SIGTERM; gives the list of signals that came."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if stop:
            stop()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
