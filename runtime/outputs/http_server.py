"""A small HTTP server beside the live loop: a few requests at once, each with a time limit.

One thread accepts. Each request has a thread of its own and ten seconds in all, however slowly the
client sends or reads, unless its handler allows more. When too many are open, the oldest one that
has not sent its request yet is closed, so that many slow clients keep nobody else away. The threads
that capture and score take no part in it. A request must name this computer, see `is_own_name`. It
is the standard library's server and not an ASGI one, because a device needs no further package for
a handful of viewers.
"""

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import click

from ..errors import ConfigError
from ..tcp_port import check_port
from .server_tls import ServerTls

PIECE_BYTES = 1 << 16  # of a file that are in memory at once


@dataclass(frozen=True)
class HttpLimits:
    """How many requests are answered at once, and for how long."""

    max_requests: int = 8  # at once
    request_seconds: float = 10.0  # for one request in all, and for one read or write
    evict_seconds: float = 1.0  # that a new request waits for the thread of one that is closed


DEFAULT_LIMITS = HttpLimits()


def parse_address(address: str, option: str, example_port: int) -> tuple[str, int]:
    """(host, port) of ``PORT``, ``HOST:PORT`` or ``[IPv6]:PORT``; ConfigError for another text.

    A port without a host is one of this computer alone.

    option: what the message names, such as ``--page``; example_port: what it proposes.
    """
    match = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([\w.-]+)):)?(\d{1,5})", address)
    if not match:
        raise ConfigError(
            f"{option} {address}: write a port, such as {example_port}, "
            f"or an address, such as 127.0.0.1:{example_port}"
        )
    check_port(f":{match[3]}", f"{option} {address}", min_port=0)
    return match[1] or match[2] or "127.0.0.1", int(match[3])


class HttpServer(ThreadingTCPServer):
    """Serves in threads of its own, from its construction to `close`.

    Not `http.server.HTTPServer`, which looks up the name of its address when it binds: that can
    take long.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(
        self,
        option: str,
        address: str,
        handler: "type[RequestHandler]",
        *,
        example_port: int,
        limits: HttpLimits = DEFAULT_LIMITS,
        tls: ServerTls | None = None,
        warns_of_readers: bool = True,
    ) -> None:
        """Bind and serve; ConfigError for an address that cannot be used.

        option: the option that asked for the server, such as ``--page``.
        example_port: what the message about a wrong address proposes.
        tls: the certificate; None: connections are not encrypted.
        warns_of_readers: whether to report that everybody who reaches the address can read.
        """
        self.host, port = parse_address(address, option, example_port)
        self.option = option
        self.limits = limits
        self._free_requests = BoundedSemaphore(limits.max_requests)
        self._deadlines: dict[socket.socket, float] = {}  # monotonic, s
        self._unread: dict[socket.socket, None] = {}  # have sent no request yet, the oldest first
        self._tls = tls
        try:
            socket_address = self._resolve(port)
            super().__init__(socket_address, handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{option} {address}: cannot listen there ({reason}); choose another address"
            ) from None
        self.port: int = self.server_address[1]  # the one that was chosen, if 0 was asked for
        self.is_public = not is_loopback(str(socket_address[0]))
        if self.is_public and warns_of_readers:
            message = f"edgeae: everybody who reaches this computer can read {option} {address}"
            click.echo(message, err=True)
        Thread(target=self.serve_forever, name=option.strip("-"), daemon=True).start()

    def _resolve(self, port: int) -> Any:
        """The socket address of the host, and set its family. Its type depends on the family."""
        first = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)[0]
        self.address_family = first[0]
        return first[4]

    def close(self) -> None:
        """Accept no further request; the requests that are being answered end with the process."""
        self.shutdown()
        self.server_close()

    def allow(self, request: socket.socket, seconds: float) -> None:
        """Give a request so many seconds from now on."""
        self._deadlines[request] = time.monotonic() + seconds

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection. The handshake of TLS follows in the thread of the request."""
        request, client_address = super().get_request()
        return (self._tls.wrapped(request) if self._tls else request), client_address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a request, or close the request if too many are being answered."""
        if not self._has_room():
            self.close_request(request)
            return
        self._unread[request] = None
        self.allow(request, self.limits.request_seconds)
        super().process_request(request, client_address)

    def has_read(self, request: socket.socket) -> None:
        """A client has sent its whole request: it is not closed in favour of a new one."""
        self._unread.pop(request, None)

    def _has_room(self) -> bool:
        """Whether a request can be answered, if need be in place of one that is sent slowly."""
        if self._free_requests.acquire(blocking=False):
            return True
        slowest = next(iter(self._unread), None)
        if slowest is None:
            return False
        self._unread.pop(slowest, None)
        with suppress(OSError):
            # Of the TCP connection: that of TLS would let its thread go on in plain text.
            socket.socket.shutdown(slowest, socket.SHUT_RDWR)
        return self._free_requests.acquire(timeout=self.limits.evict_seconds)

    def shutdown_request(self, request: Any) -> None:
        """Runs at the end of a request, in its thread."""
        super().shutdown_request(request)
        self._deadlines.pop(request, None)
        self._unread.pop(request, None)
        self._free_requests.release()

    def service_actions(self) -> None:
        """Runs twice a second: end the requests beyond their deadline, and so their threads."""
        for request, deadline in list(self._deadlines.items()):
            if time.monotonic() > deadline:
                try:
                    socket.socket.shutdown(request, socket.SHUT_RDWR)
                except OSError:  # it has ended by itself
                    self._deadlines.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away; print any other error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def is_loopback(address: str) -> bool:
    """Whether an IP address is one of this computer alone."""
    return ip_address(address.partition("%")[0]).is_loopback


def is_own_name(host: str, given_host: str) -> bool:
    """Whether a Host header names this computer in a way that no foreign name server can.

    That is an address, a name of this computer or of the local network, or ``given_host``, at
    which the user lets the server listen. ValueError for a header that cannot be read.
    """
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    own_names = {"localhost", socket.gethostname().lower(), given_host.lower()}
    if name in own_names or name.endswith((".local", ".localhost")):
        return True
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


class RequestHandler(BaseHTTPRequestHandler):
    """One request. Nothing about it is logged."""

    server: HttpServer

    def setup(self) -> None:
        self.request.settimeout(self.server.limits.request_seconds)  # of one read or write
        super().setup()

    def parse_request(self) -> bool:
        """Read the headers, which runs before an answer begins."""
        is_valid = super().parse_request()
        self.server.has_read(self.request)
        return is_valid

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.is_for_this_computer():
            self.respond(path, query)

    def do_HEAD(self) -> None:
        """Answer as to GET, without a body."""
        self.do_GET()

    def respond(self, path: str, query: str) -> None:
        """Answer a GET or HEAD request."""
        raise NotImplementedError

    def is_for_this_computer(self) -> bool:
        """False for a request with a foreign Host header, which is answered here.

        A name of a foreign web page may point to this computer (DNS rebinding).
        """
        try:
            is_own = self.is_own_host(self.headers.get("Host", ""))
        except ValueError:
            is_own = False
        if not is_own:
            self.send_error(
                403,
                "ask by address, by localhost or by the name of this computer; "
                f"another name is allowed if {self.server.option} gives it",
            )
        return is_own

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header names this computer; ValueError for one that cannot be read."""
        return is_own_name(host, self.server.host)

    def send_body(self, content_type: str, body: bytes | BinaryIO) -> None:
        """Send status 200, the headers and the body; no body in answer to HEAD.

        A file is read and sent piece by piece.
        """
        size = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            for piece in _pieces(body):
                self.wfile.write(piece)

    def version_string(self) -> str:
        return "edgeae"

    def log_message(self, *arguments: object) -> None:
        """Log nothing: a request every few seconds is no news."""


def _pieces(body: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    yield from iter(partial(body.read, PIECE_BYTES), b"")
