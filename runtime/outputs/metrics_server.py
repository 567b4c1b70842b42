"""`--metrics 127.0.0.1:9464`: the numbers over HTTP, for Prometheus to scrape.

One thread accepts, one more for each of at most eight requests; each has ten seconds in all, however slowly the
client sends or reads. Nothing of it is asked by the threads that capture and score.
"""

import re
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any

import click

from ..errors import ConfigError
from .exposition import CONTENT_TYPE
from .metrics import Metrics

REQUESTS = 8  # at once; more are turned away
SECONDS = 10.0  # for a request


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of ``PORT``, ``HOST:PORT`` or ``[IPv6]:PORT``; a bare port is one of this computer alone."""
    match = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([\w.-]+)):)?(\d{1,5})", text)
    if not match or int(match[3]) > 65535:
        raise ConfigError(f"--metrics {text}: write a port, such as 9464, or an address, such as 127.0.0.1:9464")
    return match[1] or match[2] or "127.0.0.1", int(match[3])


class MetricsServer:
    """Serves from the moment it is made; ConfigError where it cannot. ``port`` tells which port 0 became."""

    def __init__(self, address: str, metrics: Metrics) -> None:
        host, port = parse_address(address)
        try:
            family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _Server(family, place, metrics)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"--metrics {address}: cannot listen there ({reason}); choose another address") from None
        if not ip_address(str(place[0]).partition("%")[0]).is_loopback:
            click.echo(f"edgeae: --metrics {address} can be read by all who reach this computer", err=True)
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    """Not http.server's own, which looks up the name of the address when it is bound; that can take long."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, family: int, place: Any, metrics: Metrics) -> None:
        self.address_family = family
        self.metrics = metrics
        self._room = BoundedSemaphore(REQUESTS)
        self._until: dict[socket.socket, float] = {}  # monotonic
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.close_request(request)
            return
        self._until[request] = time.monotonic() + SECONDS
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


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SECONDS  # of one read or write

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = self.server.metrics.text().encode(errors="replace")
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815, the name that http.server looks for

    def version_string(self) -> str:
        return "edgeae"

    def log_message(self, *arguments: Any) -> None:
        """A request every few seconds is nothing to tell."""
