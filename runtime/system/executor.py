"""Work on any `concurrent.futures.Executor`: results in the order of the items, few at a time.

    items   0 1 2 3 | 4 5 6 7 | 8 9 ...      ITEMS_PER_TASK a task
    tasks      0    |    1    |   2          at most TASKS_AHEAD submitted for each worker

The executor may compute on other machines, as a Dask cluster does. So a task refers to what makes
its function, and each worker process keeps that function for later tasks.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import EdgeaeError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

ITEMS_PER_TASK = 8
TASKS_AHEAD = 3  # for each thread of a worker

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Workers:
    """An executor, and what is particular about it."""

    executor: "Executor"
    count: Callable[[], int]  # the present number of threads that compute; others may join later
    # Turns what many tasks need into an argument that the executor sends to each worker once.
    share: Callable[[bytes], object] = bytes


def in_order_on(
    workers: Workers, items: Iterable[T], make: Callable[[], Callable[[T], R]]
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Yield each item with a function that returns its result, or raises its EdgeaeError.

    workers: compute; a task that they repeat, because a worker was lost, does no harm.
    items: they are taken a few ahead of their turn.
    make: returns the function of an item. It is pickled, so it has to be a function of a module, or
        a ``partial`` of one.
    """
    shared = cast(bytes, workers.share(pickle.dumps(make)))
    remaining = iter(items)
    pending: deque[tuple[list[T], Future[list[object]]]] = deque()
    try:
        while True:
            while len(pending) < TASKS_AHEAD * max(1, workers.count()):
                chunk = list(islice(remaining, ITEMS_PER_TASK))
                if not chunk:
                    break
                pending.append((chunk, workers.executor.submit(_apply_each, shared, chunk)))
            if not pending:
                return
            chunk, future = pending.popleft()
            for k, item in enumerate(chunk):
                yield item, cast("Callable[[], R]", partial(_result, future, k))
    finally:
        for _, future in pending:
            future.cancel()


def _apply_each(pickled: bytes, items: Sequence[object]) -> list[object]:
    """The result of each item, or its EdgeaeError; this runs in a worker."""
    function = _function(pickled)
    outcomes: list[object] = []
    for item in items:
        try:
            outcomes.append(function(item))
        except EdgeaeError as error:
            outcomes.append(error)
    return outcomes


@lru_cache(maxsize=4)
def _function(pickled: bytes) -> Callable[[object], object]:
    function: Callable[[object], object] = pickle.loads(pickled)()
    return function


def _result(future: "Future[list[object]]", index: int) -> object:
    from concurrent.futures import BrokenExecutor, CancelledError

    try:
        outcome = future.result()[index]
    except (BrokenExecutor, CancelledError) as error:
        raise EdgeaeError(
            "the workers were ended from outside, or had no memory; start them again"
        ) from error
    if isinstance(outcome, EdgeaeError):
        raise outcome
    return outcome
