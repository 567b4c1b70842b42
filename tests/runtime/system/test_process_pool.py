"""Several processes: the order, errors, memory, and how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.errors import AudioError, EdgeaeError
from edgeae.runtime.system.executor import TASKS_AHEAD
from edgeae.runtime.system.process_pool import (
    MIN_PARALLEL_BYTES,
    in_order,
    jobs_for,
)


def _inverse(number: int) -> tuple[float, int]:
    if number == 3:
        raise AudioError("no inverse")
    time.sleep(0.02 * (number % 3))
    return 1 / (number + 1), os.getpid()


def _make() -> Callable[[int], tuple[float, int]]:
    return _inverse


def _deadly(number: int) -> int:
    return number if number else os._exit(1)


def _make_deadly() -> Callable[[int], int]:
    return _deadly


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_and_errors_come_in_the_order_of_the_items(jobs: int) -> None:
    messages: list[str] = []
    results = read_each(
        in_order(range(20), _make, jobs), lambda pair: pair[1](), messages.append, skip_bad=True
    )
    assert [(item, value) for (item, _), (value, _) in results] == [
        (k, 1 / (k + 1)) for k in range(20) if k != 3
    ]
    assert messages == ["no inverse"]
    processes = {process for _, (_, process) in results}
    if jobs == 1:
        assert processes == {os.getpid()}
    else:
        assert os.getpid() not in processes
        assert len(processes) == 2


def test_few_items_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(4, 100):
            taken.append(k)
            yield k

    results = in_order(items(), _make, 2)
    next(results)
    assert len(taken) == 2 * TASKS_AHEAD
    results.close()  # type: ignore[attr-defined]


def test_a_process_that_dies_is_one_sentence() -> None:
    (_, result), *_ = in_order([0], _make_deadly, 2)
    with pytest.raises(EdgeaeError, match="ended from outside"):
        result()


ORPHANS = """
import time
from functools import partial
from edgeae.runtime.system.process_pool import in_order
def main():
    for _, result in in_order(iter(int, 1), partial(partial, time.sleep), 2):
        result()
        print("begun", flush=True)
        time.sleep(60)
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_one_that_started_them(number: int, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(ORPHANS)
    with subprocess.Popen([sys.executable, tmp_path / "main.py"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.send_signal(number)
    deadline = time.monotonic() + 20
    while any(Path("/proc", child).exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(children) >= 2
    assert not any(_alive(child) for child in children)


def _alive(process: str) -> bool:
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_more_than_one_process_is_for_much_to_do(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(int(MIN_PARALLEL_BYTES) + 1)
    assert jobs_for([tmp_path / "missing"] * 9) == 1
    assert jobs_for([tmp_path / "large"]) == len(os.sched_getaffinity(0))
