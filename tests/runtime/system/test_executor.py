"""Work on executors of `concurrent.futures`: order, errors, few items ahead."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.errors import AudioError, EdgeaeError
from edgeae.runtime.system.executor import MAX_ITEMS_PER_TASK, TASKS_AHEAD, Workers, in_order_on


def _inverse(number: int) -> float:
    if number == 3:
        raise AudioError("no inverse")
    return 1 / (number + 1)


def _make() -> Callable[[int], float]:
    return _inverse


def _sometimes_slow(number: int) -> int:
    if number == 100:
        time.sleep(0.1)
    return number


def _make_sometimes_slow() -> Callable[[int], int]:
    return _sometimes_slow


class ImmediateExecutor(Executor):
    """Computes when a task is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class LostExecutor(Executor):
    """Has no worker left."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor())
        return future


class BrokenPool(Executor):
    """Takes no more tasks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor


def _results_on(executor: Executor) -> list[tuple[int, float]]:
    messages: list[str] = []
    results = read_each(
        in_order_on(Workers(executor, lambda: 2), range(20), _make),
        lambda pair: pair[1](),
        messages.append,
        skip_bad=True,
    )
    assert messages == ["no inverse"]
    return [(item, value) for (item, _), value in results]


def test_results_and_errors_come_in_the_order_of_the_items() -> None:
    expected = [(k, 1 / (k + 1)) for k in range(20) if k != 3]
    assert _results_on(ImmediateExecutor()) == expected
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert _results_on(pool) == expected


@pytest.mark.parametrize("n_workers", [0, 1, 3])
def test_few_items_wait(n_workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(4, 200):
            taken.append(k)
            yield k

    next(in_order_on(Workers(ImmediateExecutor(), lambda: n_workers), items(), _make))
    assert len(taken) == max(1, n_workers) * TASKS_AHEAD


class CountedTasks(ImmediateExecutor):
    """Remembers how many items its tasks held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sizes.append(len(args[1]))
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize(("quick_seconds", "largest"), [(60.0, MAX_ITEMS_PER_TASK), (0.0, 1)])
def test_quick_tasks_hold_more_items(quick_seconds: float, largest: int) -> None:
    executor = CountedTasks()
    results = in_order_on(Workers(executor, lambda: 1), range(4, 204), _make, quick_seconds)
    assert [result() for _, result in results] == [1 / (k + 1) for k in range(4, 204)]
    assert executor.sizes[0] == 1
    assert max(executor.sizes) == largest
    assert sum(executor.sizes) == 200


def test_lost_workers_are_one_sentence() -> None:
    [(_, result)] = in_order_on(Workers(LostExecutor(), lambda: 1), [0], _make)
    with pytest.raises(EdgeaeError, match="start them again"):
        result()


def test_an_executor_without_workers_is_one_sentence() -> None:
    [(_, result)] = in_order_on(Workers(BrokenPool(), lambda: 1), [0], _make)
    with pytest.raises(EdgeaeError, match="start them again"):
        result()


def test_a_slow_task_is_followed_by_tasks_of_one_item() -> None:
    executor = CountedTasks()
    results = in_order_on(Workers(executor, lambda: 1), range(200), _make_sometimes_slow, 0.05)
    for _, result in results:
        result()
    slow = executor.sizes.index(MAX_ITEMS_PER_TASK)
    assert 1 in executor.sizes[slow:-1]
