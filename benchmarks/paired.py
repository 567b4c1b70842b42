"""Times of works side by side."""

import time
from collections.abc import Callable

import numpy as np

TURNS, SECONDS = 40, 1.0  # of a comparison, at least
TURN_SECONDS = 0.003  # of one work, at least: a short one would else find in the caches what the others left there


def paired(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each work, taken in turn so that a slow moment hits all of them.

    The seconds are the processor's, of all threads: on a busy computer the clock would lengthen most the work
    that takes longest, and threads that a peer starts behind our back would look like speed.
    """
    for work in works:
        work()  # what is made once, as tables and compiled code, is not its cost
    calls = [1 + int(TURN_SECONDS / _seconds(work, 1)) for work in works]
    times: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    while len(times[0]) < TURNS or time.perf_counter() - began < SECONDS:
        for work, count, found in zip(works, calls, times, strict=True):
            found.append(_seconds(work, count))
    return [float(np.median(found)) for found in times]


def _seconds(work: Callable[[], object], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - began) / calls
