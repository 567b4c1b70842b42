"""Carries the sound of a pipe to its source, and reports a pipe that is open and delivers none."""

from collections.abc import Callable
from dataclasses import dataclass

from ..system.clock import now
from .source import Source, publish_pending
from .stdin import Pipe


@dataclass(frozen=True)
class PipeLimits:
    """Time limits of a pipe, in seconds."""

    # Without sound for so long, the pipe has stalled.
    stall_seconds: float = 10.0
    # Between two looks at the outputs while nothing comes.
    check_seconds: float = 1.0


class PipeRoute:
    """Carries the sound of a pipe to one source.

    A writer that sends nothing for a while is reported as a device that does so: `stalled`, then
    `listening` and a gap when the sound goes on.
    """

    def __init__(
        self,
        pipe: Pipe,
        source: Source,
        tick: Callable[[], None],
        limits: PipeLimits,
    ) -> None:
        """tick: called for each block, and every ``check_seconds`` while nothing comes."""
        self._pipe = pipe
        self._source = source
        self._tick = tick
        self._limits = limits
        self._has_started = False
        self._is_stalled = False
        self._accounted_until = now()
        pipe.while_waiting = self._wait

    def run(self) -> None:
        """Score what comes until the pipe ends, is stopped, or its source is done.

        Raises AudioError, after the last score, for sound that is not valid or was cut short.
        """
        try:
            self._pipe.open()
            if self._pipe.stopped:
                return
            self._start()
            self._has_started = True
            for block in self._pipe.blocks():
                if self._is_stalled:
                    self._resume(len(block) / self._pipe.samplerate)
                self._accounted_until = now()
                self._source.push(block, self._accounted_until)
                publish_pending([self._source])
                self._tick()
                if self._source.done():
                    break
        finally:
            if self._is_stalled and self._has_started and not self._source.done():
                self._push_gap(now() - self._accounted_until)
            if self._has_started or self._source.published:
                self._source.finish()

    def _start(self) -> None:
        self._is_stalled = False
        self._source.start(self._pipe.samplerate, self._pipe.channels, self._pipe.encoding)

    def _resume(self, block_seconds: float) -> None:
        self._start()
        self._push_gap(now() - self._accounted_until - block_seconds)

    def _push_gap(self, lost_seconds: float) -> None:
        lost_frames = max(0, round(lost_seconds * self._pipe.samplerate))
        self._source.push_gap(lost_frames, "stalled")

    def _wait(self, silent_seconds: float) -> None:
        """The pipe is open and has delivered nothing for ``silent_seconds``."""
        if silent_seconds >= self._limits.stall_seconds and not self._is_stalled:
            self._is_stalled = True
            self._source.publish_status(
                "stalled" if self._has_started else "waiting",
                sentence=(
                    "the pipe is open but delivered no sound for "
                    f"{self._limits.stall_seconds:g} s: check the program that writes to it"
                ),
            )
        self._tick()
        if self._has_started and self._source.done(silent_seconds):
            self._pipe.stop()
