"""Times of works side by side."""

import time
from collections.abc import Callable

import numpy as np

TURNS, SECONDS = 40, 1.0  # of a comparison, at least


def paired(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each work, taken in turn so that a slow moment hits all of them."""
    for work in works:
        work()  # what is made once, as tables and compiled code, is not its cost
    times: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    while len(times[0]) < TURNS or time.perf_counter() - began < SECONDS:
        for work, found in zip(works, times, strict=True):
            found.append(_seconds(work))
    return [float(np.median(found)) for found in times]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
