"""The queue and the thread of one sink, so that an output cannot delay the scoring.

    scoring --put--> queue (when it is full, the oldest line is dropped) --thread--> Sink.deliver

A sink that fails loses the line that it received, unless it stores lines and sends them later.
`Outbox.trouble` is the reason why lines are not delivered now: the failure of the last delivery, or
`Sink.trouble`.
"""

import time
from collections import deque
from threading import Condition, Thread
from typing import Generic

from .sink import LineType_contra, OutputError, Sink

MAX_WAITING_LINES = 1000
CLOSE_SECONDS = 5.0


class Outbox(Generic[LineType_contra]):
    """The queue and the thread of one sink."""

    def __init__(self, sink: Sink[LineType_contra], limit: int = MAX_WAITING_LINES) -> None:
        """limit: maximum number of waiting lines."""
        self.sink = sink
        self._limit = limit
        self.delivered = 0  # lines
        self.dropped = 0  # lines, because the queue was full
        self._failed = 0  # lines
        self._failure: str | None = None  # why the last delivery failed
        self.gone = False  # the reader closed its end (a broken pipe)
        self.behind = False  # lines were dropped, and since then some were always waiting
        self._waiting: deque[LineType_contra] = deque()
        self._changed = Condition()
        self._open = True
        self._busy = False  # a line is being delivered
        self._thread = Thread(target=self._work, name=f"output {sink.name}", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> int:
        """Number of lines that the sink refused or lost."""
        return self._failed + self.sink.lost

    @property
    def trouble(self) -> str | None:
        """Why lines are not delivered now; None if the sink works."""
        return self._failure or self.sink.trouble

    def put(self, line: LineType_contra, *, wait: bool = False) -> None:
        """Queue a line; wait: wait for room in the queue instead of dropping the oldest line."""
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
        """Accept no further lines; the thread delivers those that wait, and ends."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """End, and wait for the thread; return the number of lines that are not delivered.

        seconds: maximum time to wait.
        """
        self.end()
        self._thread.join(max(0.0, seconds))
        if not self._thread.is_alive():
            return 0
        self.sink.abort()
        return len(self._waiting) + self._busy

    def drain(self, seconds: float) -> bool:
        """Wait until all lines are delivered; False if that takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._busy:
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
        return True

    def _work(self) -> None:
        """The function of the thread."""
        while (line := self._next()) is not None:
            self._deliver(line)
        try:
            self.sink.close()
        except (OSError, OutputError) as error:
            self._failure = reason_of(error)

    def _next(self) -> LineType_contra | None:
        """Wait for a line and return the oldest; None after `end`."""
        with self._changed:
            self._busy = False
            if not self._waiting:
                self.behind = False
            self._changed.notify_all()
            while not self._waiting and self._open:
                self._changed.wait()
            if not self._waiting:
                return None
            self._busy = True
            return self._waiting.popleft()

    def _deliver(self, line: LineType_contra) -> None:
        try:
            self.sink.deliver(line)
        except BrokenPipeError:
            self.gone = True
        # After an error of any kind the thread continues with the next line.
        except Exception as error:
            self._failed += 1
            self._failure = reason_of(error)
        else:
            self.delivered += 1
            self._failure = None


def reason_of(error: Exception) -> str:
    """The message of an error, for people."""
    if isinstance(error, OutputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
