"""`--page 127.0.0.1:8321`: a page to look at while it listens, in any browser, of a phone too.

    GET /                       the page, one file
    GET /events?source=0        what it shows, as server-sent events: first the past, then what is new, once a second
    GET /clip?source=0&event=1  what an event sounded like, if --clips keeps it

It only reads: there is nothing else to ask for, and nothing that a client sends reaches the listening. Other web pages
cannot read it: they are of another origin, and one that has its own name point here (DNS rebinding) is found by the
name it asks for. Nobody is asked for a password, so by default only this computer is served.
"""

import base64
import hashlib
import json
import re
import socket
from collections.abc import Callable
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from threading import BoundedSemaphore, Event
from urllib.parse import parse_qs, urlsplit

import click

from ..http_server import REQUESTS, Handler, Server
from .history import History, Viewer

VIEWERS = 8  # at once
PATIENCE = 20.0  # seconds until a viewer that takes nothing is given up
BUFFER = 1 << 16  # bytes that wait for a slow one, at most
CLIP_SECONDS = 120.0  # for a clip


class PageServer(Server):
    """Serves from the moment it is made; ConfigError where it cannot."""

    def __init__(self, address: str, history: History, every: float = 1.0) -> None:
        """every: seconds between two looks at the history."""
        self.history, self.every = history, every
        self.page = files(__package__).joinpath("page.html").read_bytes()
        self.policy = policy(self.page.decode())
        self.viewers, self.closing = BoundedSemaphore(VIEWERS), Event()
        super().__init__("--page", address, _Handler, VIEWERS + REQUESTS)
        shown = f"[{self.host}]" if ":" in self.host else self.host
        click.echo(f"edgeae: live page at http://{shown}:{self.port}/", err=True)

    def close(self) -> None:
        self.closing.set()
        super().close()


def policy(page: str) -> str:
    """The Content-Security-Policy that lets the page do what it does and nothing else."""
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


def is_ours(host: str, given: str) -> bool:
    """Whether a Host header names this computer in a way that no foreign name server can: an address, a name of this
    computer or of the local network, or what the user ``given`` as --page."""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    own = {"localhost", socket.gethostname().lower(), given.lower()}
    if name in own or name.endswith((".local", ".localhost")):
        return True
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


class _Handler(Handler):
    server: PageServer

    def get(self, path: str, query: str) -> None:
        try:
            ours = is_ours(self.headers.get("Host", ""), self.server.host)
        except ValueError:
            ours = False
        answers: dict[str, Callable[..., None]] = {
            "/": self._page,
            "/events": self._events,
            "/clip": self._clip,
        }
        if not ours:
            self.send_error(403, "ask by address, by localhost or by the name of this computer")
        elif path not in answers:
            self.send_error(404)
        else:
            answers[path](**_numbers(query))

    def end_headers(self) -> None:
        for name, value in {
            "Content-Security-Policy": self.server.policy,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        super().end_headers()

    def _page(self, **_: int) -> None:
        self.answer("text/html; charset=utf-8", self.server.page)

    def _events(self, source: int = 0, **_: int) -> None:
        if not self.server.viewers.acquire(blocking=False):
            self.send_error(503, f"{VIEWERS} viewers are here already")
            return
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            self.connection.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * PATIENCE)
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self._stream(Viewer(self.server.history, source))
        finally:
            self.server.viewers.release()

    def _stream(self, viewer: Viewer) -> None:
        """Until the server closes, or the viewer is gone or takes nothing: OSError."""
        closing = False
        while True:
            self.server.allow(self.connection, PATIENCE + self.server.every)
            news = json.dumps(viewer.news(), separators=(",", ":"))
            self.wfile.write(f"data: {news}\n\n".encode(errors="replace"))
            if closing:  # the end itself was news
                return
            closing = self.server.closing.wait(self.server.every)

    def _clip(self, source: int = -1, event: int = -1) -> None:
        path = self.server.history.clip(source, event)
        if path is None or not Path(path).is_file():
            self.send_error(404, "not kept, or not complete yet")
            return
        self.server.allow(self.connection, CLIP_SECONDS)
        self.connection.settimeout(CLIP_SECONDS)
        with Path(path).open("rb") as file:
            self.answer("audio/flac", file)


def _numbers(query: str) -> dict[str, int]:
    """The numbers of a query that the page asks with; anything else in it counts for nothing."""
    given = {
        name: values[0]
        for name, values in parse_qs(query[:100]).items()
        if name in ("source", "event")
    }
    return {name: int(value) for name, value in given.items() if re.fullmatch(r"\d{1,6}", value)}
