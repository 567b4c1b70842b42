"""Outputs that cannot block the listening: each has a thread and a bounded queue of its own.

    listening --put--> queue (oldest lines dropped, and counted) --thread--> Sink.deliver

A sink that fails loses the line it was given, unless it keeps it itself; that it fails is told, once,
and again when it works (`Outbox.trouble`). A sink that does keep lines and sends them later has `trouble`
and `lost` of its own, which stand in those of its outbox: it may fail, and recover, while no line comes.
"""

import time
from collections import deque
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

from ..errors import EdgeaeError
from .lines import Line

LIMIT = 1000  # lines that wait
CLOSING = 5.0  # seconds that an output has at the end for what waits


class OutputError(EdgeaeError):
    """An output that does not take a line: what failed and what to do about it."""


LineType = TypeVar("LineType", bound=Line, contravariant=True)


class Sink(Protocol[LineType]):
    """Where lines go. `deliver` and `close` run in a thread of the sink's own and may take their time."""

    name: str  # as in status lines and metrics

    def wants(self, line: LineType) -> bool:
        """Runs in the thread that listens: it has to be quick."""

    def deliver(self, line: LineType) -> None:
        """Take one line; OSError or OutputError if that fails."""

    def close(self) -> None:
        """Nothing comes any more."""


class Outbox(Generic[LineType]):
    """The queue and the thread of one sink."""

    def __init__(self, sink: Sink[LineType], limit: int = LIMIT) -> None:
        self.sink, self._limit = sink, limit
        self.delivered = self.dropped = self._failed = 0  # lines
        self._trouble: str | None = None  # why the last line was not taken
        self.gone = False  # the reader went away for ever (a broken pipe)
        self.behind = False  # lines were dropped, and since then some were always waiting
        self._waiting: deque[LineType] = deque()
        self._changed = Condition()
        self._open = True
        self._thread = Thread(target=self._work, name=f"output {sink.name}", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> int:
        """Lines that were not taken, and those that the sink took and lost."""
        lost: int = getattr(self.sink, "lost", 0)
        return self._failed + lost

    @property
    def trouble(self) -> str | None:
        """Why the last line was not taken, or what a sink that keeps lines says itself; None if all is well."""
        own: str | None = getattr(self.sink, "trouble", None)
        return self._trouble or own

    def put(self, line: LineType, *, wait: bool = False) -> None:
        """Where there is no room the oldest line is dropped, unless whoever puts can ``wait``."""
        if not self.sink.wants(line):
            return
        with self._changed:
            while wait and len(self._waiting) == self._limit and self._thread.is_alive():
                self._changed.wait(1.0)
            if len(self._waiting) == self._limit:
                self._waiting.popleft()
                self.dropped += 1
                self.behind = True
            self._waiting.append(line)
            self._changed.notify()

    def end(self) -> None:
        """No further lines come; what waits is delivered."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def close(self, seconds: float = CLOSING) -> int:
        """`end`, and wait for it as long as ``seconds``; how many lines were not delivered until then."""
        self.end()
        self._thread.join(max(0.0, seconds))
        if not self._thread.is_alive():
            return 0
        if abort := getattr(self.sink, "abort", None):
            abort()
        return len(self._waiting) + self._busy

    def drain(self, seconds: float) -> bool:
        """Wait until all is delivered; False if that takes longer."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._busy:
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
        return True

    # The rest runs in the thread.

    _busy = False

    def _work(self) -> None:
        while (line := self._next()) is not None:
            self._deliver(line)
        try:
            self.sink.close()
        except (OSError, OutputError) as error:
            self._trouble = reason_of(error)

    def _next(self) -> LineType | None:
        with self._changed:
            self._busy = False
            self.behind &= bool(self._waiting)
            self._changed.notify_all()
            while not self._waiting and self._open:
                self._changed.wait()
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _deliver(self, line: LineType) -> None:
        try:
            self.sink.deliver(line)
        except BrokenPipeError:
            self.gone = True
        except Exception as error:  # whatever it is, the next line has to find this thread
            self._failed += 1
            self._trouble = reason_of(error)
        else:
            self.delivered += 1
            self._trouble = None


def reason_of(error: Exception) -> str:
    """What failed, in words."""
    if isinstance(error, OutputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
