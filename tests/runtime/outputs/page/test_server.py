"""The page's server answers this computer, and disconnects viewers that use too much."""

import base64
import hashlib
import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from example_lines import about, bands, event, score, status

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage
from edgeae.runtime.outputs.page.context import DEFAULT_LIMITS, PageLimits
from edgeae.runtime.outputs.page.handler import MAX_BODY_BYTES
from edgeae.runtime.outputs.page.history import History
from edgeae.runtime.outputs.page.history_store import HistoryStore
from edgeae.runtime.outputs.page.server import PageServer
from edgeae.runtime.outputs.page.token import AttemptLimits, TokenGuard

Serve = Callable[..., PageServer]
TOKEN = "a-token-that-is-long-enough"
Answer = tuple[int, http.client.HTTPMessage, bytes]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[PageServer] = []

    def make(
        address: str = "127.0.0.1:0",
        history: History | None = None,
        message_seconds: float = 0.05,
        limits: PageLimits = DEFAULT_LIMITS,
        **options: Any,
    ) -> PageServer:
        server = PageServer(
            address,
            history or History(),
            message_seconds=message_seconds,
            limits=limits,
            **options,
        )
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


def ask(port: int, path: str = "/", method: str = "GET", host: str | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


def watch(
    port: int, path: str = "/events"
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection, connection.getresponse()


def next_message(response: http.client.HTTPResponse) -> dict[str, Any]:
    """The next message of a stream."""
    line = response.readline()
    assert line.startswith(b"data: "), line
    assert response.readline() == b"\n"
    message: dict[str, Any] = json.loads(line[6:])
    return message


def test_the_page_may_run_only_its_own_script_and_style(serve: Serve) -> None:
    code, headers, body = ask(serve().port)
    assert code == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    for element in ("script", "style"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>".encode(), body, re.S)
        assert (
            rules[f"{element}-src"]
            == f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
        )


def test_the_page_is_small_and_uses_no_other_server(serve: Serve) -> None:
    body = ask(serve().port)[2].decode()
    assert len(body) < 48_000
    assert not re.search(
        r"https?:|//[a-z]+\.|<img|<iframe|@import|url\(|innerHTML|insertAdjacent|document\.write",
        body,
    )


@pytest.mark.parametrize(
    "path", ["/page.html", "/../page.html", "/metrics", "/clip/../etc/passwd", "/favicon.ico"]
)
def test_other_paths_are_not_found(serve: Serve, path: str) -> None:
    code, headers, _ = ask(serve().port, path)
    assert code == 404
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_methods_that_no_page_uses_are_refused(serve: Serve, method: str) -> None:
    assert ask(serve().port, method=method)[0] == 501


@pytest.mark.parametrize("path", ["/", "/session", "/history", "/events"])
def test_head_is_answered_as_get_without_a_body(serve: Serve, path: str) -> None:
    code, headers, body = ask(serve().port, path, method="HEAD")
    assert (code, body) == (200, b"")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/", "/events", "/clip?event=1", "/history", "/session"])
@pytest.mark.parametrize("host", ["evil.example", "[::1"])
def test_a_foreign_name_is_refused(serve: Serve, path: str, host: str) -> None:
    assert ask(serve().port, path, host=host)[0] == 403


@pytest.fixture
def queue() -> FeedbackQueue:
    """Receives what viewers say."""
    return FeedbackQueue()


@pytest.fixture
def port(serve: Serve, queue: FeedbackQueue) -> int:
    """Of a server with a token and one source."""
    history = History()
    history.deliver(status("listening"))
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=3, period_seconds=1.0))
    return serve(history=history, token=TOKEN, guard=guard, queue=queue).port


def say(
    port: int,
    path: str = "/normal?source=0",
    token: str | None = TOKEN,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    """The status of a POST; with the token as a bearer token."""
    headers = dict(headers or {})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body, headers)
    code = connection.getresponse().status
    connection.close()
    return code


def test_who_knows_the_token_can_call_the_sound_of_a_source_normal(
    port: int, queue: FeedbackQueue
) -> None:
    assert say(port) == 202
    assert queue.pop_all() == [NormalMessage("hw:1", "page")]


def test_a_source_that_does_not_exist_is_not_found(port: int, queue: FeedbackQueue) -> None:
    for path in ("/normal", "/normal?source=1", "/normal?source=-1", "/normal?source=x", "/", "/x"):
        assert say(port, path) == 404
    assert queue.pop_all() == []


def test_without_a_token_nothing_can_be_said(serve: Serve) -> None:
    port = serve().port
    for path in ("/normal?source=0", "/", "/nothing"):
        assert say(port, path) == 403
    connection, response = watch(port)
    assert next_message(response)["sources"] == {}
    connection.close()


@pytest.mark.parametrize("has_token", [True, False])
def test_the_page_shows_buttons_only_if_there_is_a_token(
    serve: Serve, port: int, has_token: bool
) -> None:
    session = json.loads(ask(port if has_token else serve().port, "/session")[2])
    assert session == {
        "can_read": True,
        "can_write": False,
        "has_token": has_token,
        "can_learn": has_token,
    }


def test_a_request_by_get_says_nothing(port: int, queue: FeedbackQueue) -> None:
    assert ask(port, "/normal?source=0")[0] == 404
    assert queue.pop_all() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "evil.example"},
    ],
)
def test_another_page_cannot_say_anything_even_with_the_token(
    port: int, queue: FeedbackQueue, headers: dict[str, str]
) -> None:
    assert say(port, headers=headers) == 403
    assert queue.pop_all() == []


def test_the_page_itself_and_a_proxy_with_tls_are_allowed(port: int) -> None:
    assert say(port, headers={"Origin": f"http://127.0.0.1:{port}"}) == 202
    assert say(port, headers={"Host": "pi.local", "Origin": "https://pi.local"}) == 202


def test_wrong_tokens_are_refused_and_soon_not_compared_any_more(
    port: int, queue: FeedbackQueue
) -> None:
    assert [say(port, token=wrong) for wrong in ("x", "", None)] == [403] * 3
    assert say(port) == 429, "the right one, too"
    assert queue.pop_all() == []
    deadline = time.monotonic() + 30
    while say(port) == 429:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert queue.pop_all() == [NormalMessage("hw:1", "page")]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "x"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_that_nobody_needs_is_refused(port: int, headers: dict[str, str], code: int) -> None:
    assert say(port, headers=headers) == code


def test_a_small_body_is_ignored(port: int) -> None:
    assert say(port, body=b"normal") == 202


def test_events_send_the_history_and_then_what_is_new(serve: Serve) -> None:
    history = History()
    for line in (about(), status("listening"), bands(90), score(-1.2)):
        history.deliver(line)
    connection, response = watch(serve(history=history).port)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert len(next_message(response)["windows"]) == 1
    history.deliver(score(1.5))
    while "windows" not in (message := next_message(response)):
        pass
    assert message["windows"][0][1] == 1.5
    connection.close()


def test_a_second_of_events_is_less_than_a_kilobyte(serve: Serve) -> None:
    history = History()
    levels = bytes(range(128))
    residual = bytes(range(128, 256))
    history.deliver(about())
    connection, response = watch(serve(history=history, message_seconds=0.2).port)
    next_message(response)
    history.deliver(replace(bands(90), levels=levels, residual=residual))
    history.deliver(score(-1.2345))
    while b"windows" not in (line := response.readline()):
        pass
    assert len(line) < 1024
    connection.close()


def test_a_viewer_waits_for_a_source_that_does_not_exist_yet(serve: Serve) -> None:
    connection, response = watch(serve().port, "/events?source=999&x=1&event=%00")
    assert next_message(response)["sources"] == {}
    connection.close()


def test_the_sound_of_an_event_is_sent_once_it_is_complete(serve: Serve, tmp_path: Path) -> None:
    store = HistoryStore()
    clip = tmp_path / "clip.flac"
    store.deliver(event("start", clip=str(clip)))
    port = serve(store=store).port
    for kind in ("clip", "picture"):
        assert ask(port, f"/{kind}?event=1")[0] == 404, "not complete"
    soundfile.write(clip, np.sin(np.arange(16000) / 5) / 2, 16000)
    code, headers, body = ask(port, "/clip?event=1")
    assert (code, headers["Content-Type"], body) == (200, "audio/flac", clip.read_bytes())
    code, headers, body = ask(port, "/picture?event=1")
    assert (code, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")
    for query in ("", "?event=2", "?event=-1", "?event=1e0", "?event=x"):
        assert ask(port, f"/clip{query}")[0] == 404


def test_too_many_viewers_are_refused_until_one_leaves(serve: Serve) -> None:
    port = serve().port
    viewers = [watch(port) for _ in range(DEFAULT_LIMITS.max_viewers)]
    for _, response in viewers:
        next_message(response)
    assert ask(port, "/events")[0] == 503
    assert ask(port)[0] == 200, "the page can show that"
    connection, response = viewers[0]
    response.close()
    connection.close()
    deadline = time.monotonic() + 30
    while (again := watch(port))[1].status != 200:
        again[0].close()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for connection, _ in [*viewers, again]:
        connection.close()


def test_a_viewer_that_reads_nothing_is_disconnected(serve: Serve) -> None:
    history = History()
    limits = PageLimits(viewer_seconds=0.5)
    server = serve(history=history, message_seconds=0.001, limits=limits)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.send(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 60
        while (
            server.context.free_viewers._value == limits.max_viewers
        ):  # until the server streams to it
            time.sleep(0.01)
        while (
            server.context.free_viewers._value < limits.max_viewers
        ):  # until the server disconnects it
            assert time.monotonic() < deadline
            history.deliver(event("start", sentence="x" * 1000))
            time.sleep(0.01)


def test_a_viewer_receives_a_last_message_when_the_server_closes(serve: Serve) -> None:
    server = serve(message_seconds=60)
    connection, response = watch(server.port)
    next_message(response)
    server.context.closing.set()
    assert response.read().startswith(b'data: {"now')
    connection.close()


def test_a_port_in_use_is_refused(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"^--page \d+: cannot listen there .*in use"):
        serve(str(serve().port))


@pytest.mark.parametrize("text", ["", "127.0.0.1", "::1:80", "http://x:1"])
def test_text_that_is_no_address_is_refused(serve: Serve, text: str) -> None:
    with pytest.raises(ConfigError, match=r"--page .*such as 127.0.0.1:8321"):
        serve(text)


def test_a_port_that_tcp_does_not_have_is_refused(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"^--page 99999: .*allowed is 0 to 65535"):
        serve("99999")


def test_the_address_is_printed(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve("[::1]:0").port
    assert capsys.readouterr().err == f"edgeae: live page at http://[::1]:{port}/\n"


def test_an_address_of_other_computers_needs_a_token(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"--page 0\.0\.0\.0:0: .*give --page-token-file FILE"):
        serve("0.0.0.0:0")
    serve("0.0.0.0:0", token=TOKEN)
    assert "is not encrypted: others on the network can read its token" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["https://pi.lan/", "http://192.0.2.7:8080/"])
def test_a_page_behind_a_proxy_needs_a_token(serve: Serve, url: str) -> None:
    with pytest.raises(ConfigError, match=f"^--page-url {url}: .*give --page-token-file FILE"):
        serve(page_url=url)
    assert ask(serve(page_url=url, token=TOKEN).port, "/history")[0] == 401


@pytest.mark.parametrize("url", ["http://localhost:8321/", "http://[::1]:8321/"])
def test_a_page_url_of_this_computer_needs_no_token(serve: Serve, url: str) -> None:
    assert ask(serve(page_url=url).port, "/history")[0] == 200


def test_fifty_slow_connections_keep_nobody_away(serve: Serve) -> None:
    port = serve().port
    slow = []
    for _ in range(50):
        client = socket.create_connection(("127.0.0.1", port))
        client.send(b"GET / HTTP/1.1\r\nHost: lo")
        slow.append(client)
    for path in ("/", "/session", "/history"):
        assert ask(port, path)[0] == 200
    connection, response = watch(port)
    assert next_message(response)["sources"] == {}
    connection.close()
    for client in slow:
        client.close()
