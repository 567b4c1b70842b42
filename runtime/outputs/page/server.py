"""`--page 127.0.0.1:8321`: a live page for any browser, on a computer or a phone.

    GET /                       the page, one file
    GET /events?source=0        server-sent events: the history, then what is new, once a second
    GET /clip?source=0&event=1  the sound of an event, if --clips stores it
    POST /normal?source=0       "that was normal": the sound of the last hour of a source is learned

Pages of another origin cannot read it; a page whose own name points to this computer (DNS
rebinding) is refused by the name in its request. Reading needs no password, so by default the
server listens on this computer alone. Nothing that a client sends reaches the scoring, but for the
POST, which needs the token of --page-token-file and comes from the page itself (Origin). Without a
token it is refused, and the page has no button for it.
"""

import base64
import hashlib
import json
import math
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import BoundedSemaphore, Event
from urllib.parse import parse_qs

import click

from ..feedback import FeedbackQueue, NormalMessage
from ..http_server import HttpLimits, HttpServer, RequestHandler
from .history import History, Viewer
from .token import TokenGuard

EXAMPLE_PORT = 8321
MAX_QUERY_CHARACTERS = 100
MAX_BODY_BYTES = 1000  # of a POST, which needs none


@dataclass(frozen=True)
class PageLimits:
    """What the viewers together may use."""

    max_viewers: int = 8  # at once
    viewer_seconds: float = 20.0  # after which a viewer that reads nothing is disconnected
    viewer_buffer_bytes: int = 1 << 16  # that wait for a slow viewer, at most
    clip_seconds: float = 120.0  # to send one clip


DEFAULT_LIMITS = PageLimits()


@dataclass(frozen=True)
class PageFeedback:
    """Where what a viewer says goes, and who may say it."""

    guard: TokenGuard
    queue: FeedbackQueue


class PageServer(HttpServer):
    """Serves the page from its construction on; ConfigError for an address that cannot be used."""

    def __init__(
        self,
        address: str,
        history: History,
        message_seconds: float = 1.0,
        limits: PageLimits = DEFAULT_LIMITS,
        feedback: PageFeedback | None = None,
    ) -> None:
        """message_seconds: between two messages to a viewer.

        feedback: None: viewers can only read.
        """
        self.feedback = feedback
        self.history = history
        self.message_seconds = message_seconds
        self.page_limits = limits
        self.page = files(__package__).joinpath("page.html").read_bytes()
        self.policy = security_policy(self.page.decode())
        self.free_viewers = BoundedSemaphore(limits.max_viewers)
        self.closing = Event()
        http_limits = HttpLimits(max_requests=limits.max_viewers + HttpLimits.max_requests)
        super().__init__("--page", address, _Handler, example_port=EXAMPLE_PORT, limits=http_limits)
        host = f"[{self.host}]" if ":" in self.host else self.host
        click.echo(f"edgeae: live page at http://{host}:{self.port}/", err=True)

    def close(self) -> None:
        """Accept no further request, and send each viewer a last message."""
        self.closing.set()
        super().close()


def security_policy(page: str) -> str:
    """The Content-Security-Policy that allows the page's own script and style, and nothing else."""
    sources = {
        "default-src": "'none'",
        "connect-src": "'self'",
        "media-src": "blob:",
        "img-src": "data:",
    }
    for element in ("script", "style"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        sources[f"{element}-src"] = f"'sha256-{digest}'"
    sources |= dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'")
    return "; ".join(f"{name} {value}" for name, value in sources.items())


class _Handler(RequestHandler):
    server: PageServer

    def respond(self, path: str, query: str) -> None:
        answers: dict[str, Callable[..., None]] = {
            "/": self._send_page,
            "/events": self._send_events,
            "/clip": self._send_clip,
        }
        if path not in answers:
            self.send_error(404)
        else:
            answers[path](**_numbers(query))

    def do_POST(self) -> None:  # noqa: N802, the name that http.server looks for
        path, _, query = self.path.partition("?")
        feedback = self.server.feedback
        if not self.is_for_this_computer():
            return
        if feedback is None:
            self.send_error(403, "without --page-token-file the page can only be read")
        elif not self._comes_from_this_page():
            self.send_error(403, "this can only be said on the page itself")
        elif path != "/normal":
            self.send_error(404)
        elif self._has_read_body() and self._knows_token(feedback.guard):
            self._accept(feedback.queue, **_numbers(query))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def _comes_from_this_page(self) -> bool:
        """False for a request from a page of another origin; a program sends no origin."""
        origin = self.headers.get("Origin")
        host = self.headers.get("Host", "")
        return origin is None or origin.lower() in {f"http://{host}", f"https://{host}".lower()}

    def _has_read_body(self) -> bool:
        """Read and ignore what a client sends after the headers; False if that is too much."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not re.fullmatch(r"\d{1,9}", length):
            self.send_error(411)
            return False
        if int(length) > MAX_BODY_BYTES:
            self.send_error(413)
            return False
        self.rfile.read(int(length))
        return True

    def _knows_token(self, guard: TokenGuard) -> bool:
        """Whether the request has the token; if not, it is answered here."""
        address = str(self.client_address[0])
        wait_seconds = guard.wait_seconds(address)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if wait_seconds > 0:
            self.send_response(429)
            self.send_header("Retry-After", str(math.ceil(wait_seconds)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        if not guard.accepts(address, token.strip() if scheme.lower() == "bearer" else ""):
            self.send_error(403, "wrong token")
            return False
        return True

    def _accept(self, queue: FeedbackQueue, source: int = -1, **_: int) -> None:
        name = self.server.history.source_name(source)
        if name is None:
            self.send_error(404, "there is no such source")
            return
        queue.put(NormalMessage(name, "page"))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_page(self, **_: int) -> None:
        self.send_body("text/html; charset=utf-8", self.server.page)

    def _send_events(self, source: int = 0, **_: int) -> None:
        limits = self.server.page_limits
        if not self.server.free_viewers.acquire(blocking=False):
            self.send_error(503, f"{limits.max_viewers} viewers are connected already")
            return
        try:
            self._limit_unread(limits)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            can_say = self.server.feedback is not None
            self._stream(Viewer(self.server.history, source, can_say=can_say))
        finally:
            self.server.free_viewers.release()

    def _limit_unread(self, limits: PageLimits) -> None:
        """Limit what the kernel keeps for a viewer that reads nothing, and for how long."""
        milliseconds = round(1000 * limits.viewer_seconds)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.viewer_buffer_bytes)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _stream(self, viewer: Viewer) -> None:
        """Send messages until the server closes; OSError if the viewer is gone or reads nothing."""
        server = self.server
        closing = False
        while True:
            server.allow(
                self.connection, server.page_limits.viewer_seconds + server.message_seconds
            )
            message = json.dumps(viewer.message(), separators=(",", ":"))
            self.wfile.write(f"data: {message}\n\n".encode(errors="replace"))
            # The last message is sent.
            if closing:
                return
            closing = server.closing.wait(server.message_seconds)

    def _send_clip(self, source: int = -1, event: int = -1) -> None:
        path = self.server.history.clip_path(source, event)
        if path is None or not Path(path).is_file():
            self.send_error(404, "not kept, or not complete yet")
            return
        seconds = self.server.page_limits.clip_seconds
        self.server.allow(self.connection, seconds)
        self.connection.settimeout(seconds)
        with Path(path).open("rb") as file:
            self.send_body("audio/flac", file)


def _numbers(query: str) -> dict[str, int]:
    """The numbers ``source`` and ``event`` of a query; anything else in it is ignored."""
    parameters = parse_qs(query[:MAX_QUERY_CHARACTERS])
    numbers = {}
    for name in ("source", "event"):
        value = parameters.get(name, [""])[0]
        if re.fullmatch(r"\d{1,6}", value):
            numbers[name] = int(value)
    return numbers
