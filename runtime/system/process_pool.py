"""Many recordings, several processes: results come in the order of the items, and few of them wait.

    items     0 1 2 3 4 5 6 7 8 9 ...
    handed over         ^ AHEAD a process          computed, or being computed
    told      ^ the next in order

Threads would not do: most of a short recording's time is Python's. The processes are new ones (spawn), since
one that listens has threads, which a fork would tear.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import EdgeaeError

if TYPE_CHECKING:
    from concurrent.futures import Future

AHEAD = 4  # items of each process that are handed over before their turn
WORTHWHILE = 32e6  # bytes of recordings that take longer than another process takes to start

T = TypeVar("T")
R = TypeVar("R")


def jobs_for(paths: Iterable[Path]) -> int:
    """How many processes are worthwhile: as many as cores may be used, or one for little to do."""
    return len(os.sched_getaffinity(0)) if sum(map(_size, paths)) > WORTHWHILE else 1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # said when it is read
        return 0


def in_order(
    items: Iterable[T], make: Callable[[], Callable[[T], R]], jobs: int
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Each item with a function that gives its result, or raises what was raised for it.

    make: gives what is applied to an item; called once in each process, so it has to be a function of a
    module, or a ``partial`` of one. With one job all is done in this process, each item when it is asked for.
    """
    if jobs == 1:
        work = make()
        yield from ((item, partial(work, item)) for item in items)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (make,))
    try:
        waiting: deque[tuple[T, Callable[[], R]]] = deque()
        for item in items:
            with _interruptible_later():
                waiting.append((item, partial(_result, pool.submit(_apply, item))))
            if len(waiting) == AHEAD * jobs:
                yield waiting.popleft()
        yield from waiting
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interruptible_later() -> Iterator[None]:
    """Hold SIGINT back, for a process that starts meanwhile as well: it would die with a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(future: "Future[R]") -> R:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool as error:
        raise EdgeaeError(
            "a process that computes was ended from outside, or had no memory; close other programs"
        ) from error


_work: Callable[[Any], Any]  # of this process


def _begin(make: Callable[[], Callable[[Any], Any]]) -> None:
    """In a new process, which ends with the one that started it, at once and in silence."""
    global _work  # noqa: PLW0603  what a pool hands over comes without an object to keep it in
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_end_with_parent, daemon=True).start()
    _work = make()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    if parent := parent_process():
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    return _work(item)
