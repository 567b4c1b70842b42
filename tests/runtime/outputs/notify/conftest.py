"""A server that takes notifications as ntfy does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class Received:
    """One request: a text, or a file with or without one."""

    topic: str
    title: str
    text: str
    file_name: str
    content: bytes


@dataclass
class Ntfy:
    """The server, and what it received."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    refuse: int = 0  # so many requests, with an error
    refuses_files: bool = False
    authorization: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def url(self, credentials: str = "") -> str:
        return f"ntfy://{credentials}127.0.0.1:{self.port}/pump-topic"

    def wait_for(self, n: int) -> list[Received]:
        """The requests, as soon as there are ``n``."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= n, 60), self.received
            return list(self.received)


@pytest.fixture
def ntfy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ntfy]:
    from apprise.plugins.ntfy import NotifyNtfy

    monkeypatch.setattr(NotifyNtfy, "request_rate_per_sec", 0)  # seconds between two, else 5.5
    made = Ntfy()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            is_json = self.headers.get("Content-Type") == "application/json"
            values = json.loads(body) if is_json else {**query, "topic": parts.path[1:]}
            with made.changed:
                made.authorization.append(self.headers.get("Authorization", ""))
                is_refused = made.refuse > 0 or (made.refuses_files and not is_json)
                made.refuse = max(0, made.refuse - 1)
                if not is_refused:
                    made.received.append(
                        Received(
                            values.get("topic", ""),
                            values.get("title", ""),
                            values.get("message", ""),
                            values.get("filename", ""),
                            b"" if is_json else body,
                        )
                    )
                made.changed.notify_all()
            self.send_response(500 if is_refused else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
