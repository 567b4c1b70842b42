"""A Dask cluster that scores recordings: its workers read them, this process writes the lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError, EdgeaeError

if TYPE_CHECKING:
    from concurrent.futures import Executor

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Workers:
    """An executor, and how many workers it has at present."""

    executor: "Executor"
    count: Callable[[], int]


@contextmanager
def cluster_workers(address: str, connect_seconds: float = CONNECT_SECONDS) -> Iterator[Workers]:
    """The workers of the Dask scheduler at ``address``, such as tcp://HOST:8786.

    Dask repeats the tasks of a worker that is lost on the others.

    Raises ConfigError where Dask is not installed, or no scheduler with a worker answers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ConfigError(
            "--cluster needs Dask, which is not installed: pip install 'edgeae[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=connect_seconds, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no Dask scheduler answers there ({type(error).__name__}); "
            "start one with: dask scheduler"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=connect_seconds)
        except TimeoutError as error:
            raise ConfigError(
                f"--cluster {address}: the scheduler has no worker; "
                f"start some with: dask worker {address}"
            ) from error
        try:
            yield Workers(client.get_executor(), lambda: len(client.nthreads()))
        except KilledWorker as error:
            raise EdgeaeError(
                "several workers of the cluster ended over the same recordings; "
                "give them more memory"
            ) from error
