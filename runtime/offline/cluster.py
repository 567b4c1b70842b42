"""A Dask cluster that scores recordings: its workers read them, this process writes the lines."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ConfigError, EdgeaeError
from ..system.executor import Workers
from ..tcp_port import check_port

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0
ADDRESS = re.compile(
    r"(?:(?:tcp|tls|ucx|ws|wss)://)?(?:[^\s/:\[\]]+|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]):[0-9]+"
)
ADVICE = "install the same version of edgeae on each"


@contextmanager
def cluster_workers(address: str, connect_seconds: float = CONNECT_SECONDS) -> Iterator[Workers]:
    """The workers of the Dask scheduler at ``address``, such as tcp://HOST:8786.

    Dask repeats the tasks of a worker that is lost on the others.

    Raises ConfigError where Dask is not installed, where no scheduler with a worker answers, or for
    workers with another version of edgeae.
    """
    _check_address(address)
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
            f"--cluster {address}: no Dask scheduler answers there; "
            "start one with: dask scheduler, and give the address that it prints"
        ) from error
    except TypeError as error:  # of tls:// without certificates
        raise ConfigError(
            f"--cluster {address}: Dask has no certificates for this address; "
            "set distributed.comm.tls in its configuration"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=connect_seconds)
        except TimeoutError as error:
            raise ConfigError(
                f"--cluster {address}: the scheduler has no worker; "
                f"start some with: dask worker {address}"
            ) from error
        _check_versions(client, address)
        try:
            yield Workers(
                client.get_executor(),
                count=lambda: sum(client.nthreads().values()),
                # A task, and not data that is scattered: a lost worker's result is made again.
                share=lambda content: client.submit(bytes, content),
            )
        except KilledWorker as error:
            raise EdgeaeError(
                "several workers of the cluster ended over the same recordings; "
                "give them more memory"
            ) from error


def _check_address(address: str) -> None:
    """ConfigError unless the address is one that a scheduler can have."""
    option = f"--cluster {address}"
    if not ADDRESS.fullmatch(address):
        raise ConfigError(
            f"{option}: this is no address of a Dask scheduler; "
            "give the one that it prints, such as tcp://192.168.1.10:8786"
        )
    check_port(address, option)


def _check_versions(client: "Client", address: str) -> None:
    """ConfigError unless each worker has this version of edgeae."""
    from importlib.metadata import version  # a slow import

    own_version = version("edgeae")
    versions: dict[str, str | BaseException] = client.run(version, "edgeae", on_error="return")
    for worker, its_version in versions.items():
        if isinstance(its_version, BaseException):
            raise ConfigError(
                f"--cluster {address}: the worker {worker} has no edgeae; {ADVICE}"
            ) from its_version
        if its_version != own_version:
            raise ConfigError(
                f"--cluster {address}: the worker {worker} has edgeae {its_version}, and this "
                f"computer {own_version}; {ADVICE}"
            )
