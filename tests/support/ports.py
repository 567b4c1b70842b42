"""A port that stays free for a server that a test starts, stops and starts again."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 where nobody listens, and that the kernel gives to no other process.

    A socket is bound to it and does not listen. A server can bind it as well, if it sets
    SO_REUSEADDR.
    """
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]
