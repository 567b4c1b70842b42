"""Keeps notifications few: at most so many of a source, and of all sources, in an hour."""

import time
from collections.abc import Callable
from threading import Lock

HOUR_SECONDS = 3600.0
TOTAL_FACTOR = 3  # all sources together may send so many times what one may


class StormLimit:
    """Counts notifications, and those that were left out."""

    def __init__(self, max_per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        """max_per_hour: of one source."""
        self._max_per_hour = max_per_hour
        self._clock = clock
        self._times: dict[str, list[float]] = {}  # by source, seconds of the clock
        self._left_out: dict[str, int] = {}
        self._lock = Lock()

    def allows(self, source: str) -> bool:
        """Count a notification about a source; False if it has to be left out."""
        with self._lock:
            start = self._clock() - HOUR_SECONDS
            for other, times in list(self._times.items()):
                self._times[other] = [at for at in times if at > start]
            times = self._times.setdefault(source, [])
            total = sum(map(len, self._times.values()))
            is_allowed = (
                len(times) < self._max_per_hour and total < TOTAL_FACTOR * self._max_per_hour
            )
            if is_allowed:
                times.append(self._clock())
            else:
                self._left_out[source] = self._left_out.get(source, 0) + 1
            return is_allowed

    def pop_left_out(self, source: str) -> int:
        """How many about a source were left out since the last call."""
        with self._lock:
            return self._left_out.pop(source, 0)
