"""Times of works side by side."""

import time
from collections.abc import Callable

import numpy as np

MIN_TURNS = 40  # of a comparison
MIN_SECONDS = 1.0  # of a comparison
# Of one work: the caches hold what the other works left there, which makes a short turn too slow.
MIN_TURN_SECONDS = 0.003


def paired(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each work, taken in turn so that a slow moment hits all of them.

    The seconds are the processor's, of all threads. The clock of a busy computer would lengthen the
    longest work most, and the threads that a peer starts would look like speed.
    """
    for work in works:
        work()  # what is made once, as tables and compiled code, is not its cost
    calls = [1 + int(MIN_TURN_SECONDS / _seconds(work, 1)) for work in works]
    times: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    while len(times[0]) < MIN_TURNS or time.perf_counter() - began < MIN_SECONDS:
        for work, count, found in zip(works, calls, times, strict=True):
            found.append(_seconds(work, count))
    return [float(np.median(found)) for found in times]


def _seconds(work: Callable[[], object], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - began) / calls
