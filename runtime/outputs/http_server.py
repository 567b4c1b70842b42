"""A small HTTP server beside the listening: a few requests at once, each with its time, and no more.

One thread accepts, one more for each request; a request has ten seconds in all, however slowly the client sends or
reads, unless it is given more. Nothing of it is asked by the threads that capture and score. The standard library's
server and not an ASGI one: a device needs no further package for a handful of viewers.
"""

import os
import re
import socket
import sys
import time
from functools import partial
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any, BinaryIO

import click

from ..errors import ConfigError

PIECE = 1 << 16  # bytes of a file that are in memory at once
REQUESTS = 8  # at once; more are turned away
SECONDS = 10.0  # for a request


def parse_address(text: str, option: str = "--metrics") -> tuple[str, int]:
    """(host, port) of ``PORT``, ``HOST:PORT`` or ``[IPv6]:PORT``; a bare port is one of this computer alone."""
    match = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([\w.-]+)):)?(\d{1,5})", text)
    if not match or int(match[3]) > 65535:
        example = {"--metrics": 9464}.get(option, 8321)
        raise ConfigError(
            f"{option} {text}: write a port, such as {example}, or an address, such as 127.0.0.1:{example}"
        )
    return match[1] or match[2] or "127.0.0.1", int(match[3])


class Server(ThreadingTCPServer):
    """Not http.server's own, which looks up the name of the address when it is bound; that can take long."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(
        self, option: str, address: str, handler: "type[Handler]", requests: int = REQUESTS
    ) -> None:
        """Serves from now on; ConfigError where it cannot. option: what asked for it, such as ``--page``."""
        self.host, port = parse_address(address, option)
        self._room = BoundedSemaphore(requests)
        self._until: dict[socket.socket, float] = {}  # monotonic
        try:
            place: Any
            self.address_family, *_, place = socket.getaddrinfo(
                self.host, port, type=socket.SOCK_STREAM
            )[0]
            super().__init__(place, handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{option} {address}: cannot listen there ({reason}); choose another address"
            ) from None
        self.port: int = self.server_address[1]  # which port 0 became
        if not ip_address(str(place[0]).partition("%")[0]).is_loopback:
            click.echo(
                f"edgeae: {option} {address} can be read by all who reach this computer", err=True
            )
        Thread(target=self.serve_forever, name=option.strip("-"), daemon=True).start()

    def close(self) -> None:
        """Take no further request; those that are being answered end with the process."""
        self.shutdown()
        self.server_close()

    def allow(self, request: socket.socket, seconds: float) -> None:
        """Give a request so many seconds from now on."""
        self._until[request] = time.monotonic() + seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.close_request(request)
            return
        self.allow(request, SECONDS)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """In the request's thread, at its end."""
        super().shutdown_request(request)
        self._until.pop(request, None)
        self._room.release()

    def service_actions(self) -> None:
        """Twice a second: end the requests that take too long, and with them the wait of their threads."""
        for request, until in list(self._until.items()):
            if time.monotonic() > until:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has ended by itself
                    self._until.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """A request, of which nothing is logged."""

    timeout = SECONDS  # of one read or write

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.get(path, query)

    def get(self, path: str, query: str) -> None:
        """Answer what was asked for."""
        raise NotImplementedError

    def answer(self, content_type: str, body: bytes | BinaryIO) -> None:
        """The whole answer, of a file piece by piece; to HEAD without its body."""
        length = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            for piece in (
                [body] if isinstance(body, bytes) else iter(partial(body.read, PIECE), b"")
            ):
                self.wfile.write(piece)

    def version_string(self) -> str:
        return "edgeae"

    def log_message(self, *arguments: Any) -> None:
        """A request every few seconds is nothing to tell."""
