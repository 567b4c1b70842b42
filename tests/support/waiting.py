"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

WAIT_SECONDS = 30.0  # for what takes about one
Result = TypeVar("Result")


def wait_for(condition: Callable[[], Result]) -> Result:
    """The first result of ``condition()`` that is true; AssertionError if none comes in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)
    return result
