"""Several processes for many recordings: results in the order of the items, few at a time.

Threads would not be faster: most of the time of a short recording is Python's. The processes are
started anew (spawn), because a process that captures sound has threads, which a fork would not
copy.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from .executor import Outcomes, in_tasks, outcomes_of

if TYPE_CHECKING:
    from concurrent.futures import Future

MIN_PARALLEL_BYTES = 32e6  # of recordings; for fewer, another process starts too slowly

T = TypeVar("T")
R = TypeVar("R")


def jobs_for(paths: Iterable[Path]) -> int:
    """How many processes are worth their start: one a usable core, or one for few recordings."""
    n_bytes = sum(_size(path) for path in paths)
    return len(os.sched_getaffinity(0)) if n_bytes > MIN_PARALLEL_BYTES else 1


def _size(path: Path) -> int:
    """Bytes of a file; 0 if it cannot be read, which its reader reports."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def in_order(
    items: Iterable[T], make: Callable[[], Callable[[T], R]], jobs: int
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Yield each item with a function that returns its result, or raises what computing it raised.

    items: they are taken a few ahead of their turn.
    make: returns the function of an item. It is called once in each process, so it has to be a
        function of a module, or a ``partial`` of one.
    jobs: the number of processes; 1 computes in this process, each item when its result is asked
        for.
    """
    if jobs == 1:
        function = make()
        for item in items:
            yield item, partial(function, item)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (make,))

    def submit(task: list[T]) -> "Future[Outcomes]":
        with _sigint_blocked():
            return pool.submit(_apply_each, task)

    try:
        yield from in_tasks(
            submit,
            items,
            lambda: jobs,
            "a computing process was ended from outside, or had no memory; close other programs",
        )
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT, also for a process that starts meanwhile: Ctrl-C would print a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_function: Callable[[Any], Any]  # of this worker process


def _start_worker(make: Callable[[], Callable[[Any], Any]]) -> None:
    """Set up a new process, which ends at once and without a message when its parent ends."""
    global _function  # noqa: PLW0603  a pool's initializer has no object to keep it in
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()
    _function = make()


def end_with_parent() -> None:
    """End this process, if another one of Python has started it, when that one ends."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    if parent := parent_process():
        parent.join()
        os._exit(1)


def _apply_each(items: Sequence[Any]) -> Outcomes:
    return outcomes_of(_function, items)
