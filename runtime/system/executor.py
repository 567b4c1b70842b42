"""Work on any `concurrent.futures.Executor`: results in the order of the items, few at a time.

    items   0 | 1 | 2 3 | 4 5 | 6 7 8 9 ...     more of them in a task while tasks are quick,
    tasks   0 | 1 |  2  |  3  |    4            one after a slow one; at most TASKS_AHEAD a worker

The executor may compute on other machines, as a Dask cluster does. So a task refers to what makes
its function, and each worker process keeps that function for later tasks.
"""

import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import EdgeaeError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

TASKS_AHEAD = 3  # for each thread of a worker
# To hand over a task and its results takes a quarter of a millisecond, a short recording one.
MAX_ITEMS_PER_TASK = 4
QUICK_SECONDS = 0.1

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Workers:
    """An executor, and what is particular about it."""

    executor: "Executor"
    count: Callable[[], int]  # the present number of threads that compute; others may join later
    # Turns what many tasks need into an argument that the executor sends to each worker once.
    share: Callable[[bytes], object] = bytes


@dataclass(frozen=True)
class Outcomes:
    """What a task came to: the result of each item, or the error that it raised."""

    results: list[object]
    seconds: float  # to compute them


def in_order_on(
    workers: Workers,
    items: Iterable[T],
    make: Callable[[], Callable[[T], R]],
    quick_seconds: float = QUICK_SECONDS,
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Yield each item with a function that returns its result, or raises its EdgeaeError.

    workers: compute; a task that they repeat, because a worker was lost, does no harm.
    items: they are taken a few ahead of their turn.
    make: returns the function of an item. It is pickled, so it has to be a function of a module, or
        a ``partial`` of one.
    quick_seconds: to compute a task; after a quicker one tasks hold more items, else one.
    """
    shared = cast(bytes, workers.share(pickle.dumps(make)))
    return in_tasks(
        lambda task: workers.executor.submit(_apply_each, shared, task),
        items,
        workers.count,
        "the workers were ended from outside, or had no memory; start them again",
        quick_seconds,
    )


def in_tasks(
    submit: Callable[[list[T]], "Future[Outcomes]"],
    items: Iterable[T],
    count: Callable[[], int],
    lost: str,
    quick_seconds: float = QUICK_SECONDS,
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Yield each item with a function that returns its result, or raises its EdgeaeError.

    submit: starts to compute the items of a task.
    items: they are taken a few ahead of their turn.
    count: the present number of threads that compute.
    lost: the message if they are gone.
    quick_seconds: to compute a task; after a quicker one tasks hold more items, else one.
    """
    remaining = iter(items)
    pending: deque[tuple[list[T], Future[Outcomes]]] = deque()
    n_items = 1  # of the next task
    try:
        while True:
            while len(pending) < TASKS_AHEAD * max(1, count()):
                task = list(islice(remaining, n_items))
                if not task:
                    break
                pending.append((task, _submitted(submit, task)))
            if not pending:
                return
            task, future = pending.popleft()
            for k, item in enumerate(task):
                yield item, cast("Callable[[], R]", partial(_result, future, k, lost))
            is_quick = _seconds_of(future) < quick_seconds
            n_items = min(2 * n_items, MAX_ITEMS_PER_TASK) if is_quick else 1
    finally:
        for _, future in pending:
            future.cancel()


def _submitted(
    submit: Callable[[list[T]], "Future[Outcomes]"], task: list[T]
) -> "Future[Outcomes]":
    """The future of a task; one that failed if no worker takes it: results before it stay."""
    from concurrent.futures import BrokenExecutor, Future

    try:
        return submit(task)
    except BrokenExecutor as error:
        failed: Future[Outcomes] = Future()
        failed.set_exception(error)
        return failed


def _seconds_of(future: "Future[Outcomes]") -> float:
    """To compute a task; infinity unless it has ended without an exception."""
    if future.cancelled() or not future.done() or future.exception():
        return math.inf
    return future.result().seconds


def _result(future: "Future[Outcomes]", index: int, lost: str) -> object:
    from concurrent.futures import BrokenExecutor, CancelledError

    try:
        result = future.result().results[index]
    except (BrokenExecutor, CancelledError) as error:
        raise EdgeaeError(lost) from error
    if isinstance(result, EdgeaeError | OSError):
        raise result
    return result


def _apply_each(pickled: bytes, items: Sequence[object]) -> Outcomes:
    """Compute the items of a task; this runs in a worker."""
    return outcomes_of(_function(pickled), items)


def outcomes_of(function: Callable[[T], object], items: Iterable[T]) -> Outcomes:
    """What ``function`` returns for each item, or the error that concerns this item alone."""
    start = time.perf_counter()
    results: list[object] = []
    for item in items:
        try:
            results.append(function(item))
        except (EdgeaeError, OSError) as error:
            results.append(error)
    return Outcomes(results, time.perf_counter() - start)


@lru_cache(maxsize=4)
def _function(pickled: bytes) -> Callable[[object], object]:
    function: Callable[[object], object] = pickle.loads(pickled)()
    return function
