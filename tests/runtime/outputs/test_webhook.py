"""Lines to a real web server: down, slow, failing, refusing, redirecting, and after a restart."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs import webhook as module
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.webhook import TOKEN, Webhook


def event(n: int) -> dict[str, Any]:
    return {"type": "event", "event": "start", "seq": n}


class Server(ThreadingHTTPServer):
    """Answers with the next of `answers`, then with 204; a number is a status, anything else is called."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answers: list[int | Callable[[], int]] = []
        self.location = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.lines: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def numbers(self) -> list[int]:
        return [line["seq"] for line in self.lines]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        line = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.append(self.path)
        self.server.headers.append(dict(self.headers))
        self.server.lines.append(line)
        answer = self.server.answers.pop(0) if self.server.answers else 204
        status = answer if isinstance(answer, int) else answer()
        try:
            self.send_response(status)
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.end_headers()
        except ConnectionError:
            return  # who asked does not wait any more

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, no proxy and no token of the environment."""
    monkeypatch.setattr(module, "FIRST", 0.01)
    monkeypatch.setattr(module, "LONGEST", 0.02)
    monkeypatch.delenv(TOKEN, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hook() -> Iterator[Callable[..., Webhook]]:
    """`hook(url, ...)`: a Webhook that is closed at the end."""
    made: list[Webhook] = []

    def make(*arguments: Any, **options: Any) -> Webhook:
        made.append(Webhook(*arguments, **options))
        return made[-1]

    yield make
    for webhook in made:
        webhook.close()


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for nothing"
        time.sleep(0.005)


Make = Callable[..., Webhook]


def test_lines_are_posted_one_by_one_as_json(server: Server, hook: Make) -> None:
    webhook = hook(f"{server.url}/alarms?room=7")
    for n in range(20):
        webhook.deliver(event(n))
    wait_until(lambda: not webhook.waiting)
    assert server.lines == [event(n) for n in range(20)] and set(server.paths) == {"/alarms?room=7"}
    assert {h["Content-Type"] for h in server.headers} == {"application/json"}
    assert webhook.trouble is None and webhook.lost == 0


def test_scores_are_not_for_it(hook: Make) -> None:
    webhook = hook("http://127.0.0.1:9")
    assert [
        kind for kind in ("score", "event", "gap", "status") if webhook.wants({"type": kind})
    ] == [
        "event",
        "gap",
        "status",
    ]


@pytest.mark.parametrize("status", [500, 503, 408, 429, 401, 404])
def test_what_passes_is_tried_again_in_order(server: Server, hook: Make, status: int) -> None:
    server.answers = [204, status, status]
    webhook = hook(server.url)
    for n in range(3):
        webhook.deliver(event(n))
    wait_until(lambda: not webhook.waiting)
    assert server.numbers == [0, 1, 1, 1, 2] and webhook.lost == 0
    wait_until(lambda: webhook.trouble is None)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_is_dropped_and_said(server: Server, hook: Make, status: int) -> None:
    server.answers = [status]
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: webhook.lost)
    assert str(webhook.trouble).startswith(f"{server.url} answers {status} ")
    assert str(webhook.trouble).endswith("; it was dropped")
    webhook.deliver(event(1))
    wait_until(lambda: webhook.trouble is None)
    assert server.numbers == [0, 1] and webhook.lost == 1


def test_a_line_that_is_never_taken_does_not_hold_up_the_others_for_ever(
    server: Server, hook: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeae.runtime.outputs.webhook.MOST_ANSWERS", 3)
    server.answers = [500, 500, 500]
    webhook = hook(server.url)
    webhook.deliver(event(0))
    webhook.deliver(event(1))
    wait_until(lambda: not webhook.waiting)
    assert server.numbers == [0, 0, 0, 1] and webhook.lost == 1


def test_a_server_that_is_down_gets_everything_when_it_is_back(server: Server, hook: Make) -> None:
    server.stop()
    webhook = hook(server.url)
    outbox = Outbox(webhook)
    for n in range(3):
        outbox.put(event(n))
    assert outbox.drain(20)
    wait_until(lambda: outbox.trouble)
    assert outbox.trouble == f"{server.url}: Connection refused; lines wait"
    assert (outbox.delivered, outbox.failed, webhook.waiting) == (3, 0, 3)
    again = Server(server.server_port)
    wait_until(lambda: not webhook.waiting and outbox.trouble is None)
    assert again.numbers == [0, 1, 2]
    outbox.close()
    again.stop()


def test_a_server_that_is_down_for_too_long_costs_the_oldest_lines(
    server: Server, hook: Make
) -> None:
    server.stop()
    webhook = hook(server.url, limit=3)
    for n in range(10):
        webhook.deliver(event(n))
    wait_until(
        lambda: str(webhook.trouble).endswith("Connection refused; the oldest lines are dropped")
    )
    assert webhook.waiting == 3 and webhook.lost == 7


def test_a_server_that_does_not_answer_is_given_up_in_time(server: Server, hook: Make) -> None:
    answer = threading.Event()
    server.answers = [lambda: answer.wait(20) and 204]
    webhook = hook(server.url, timeout=0.2)
    webhook.deliver(event(0))
    wait_until(
        lambda: (
            webhook.trouble == f"{server.url}: timed out; lines wait" or server.numbers == [0, 0]
        )
    )
    wait_until(lambda: not webhook.waiting)
    answer.set()
    assert server.numbers == [0, 0]


def test_a_server_that_hangs_up_is_asked_again(server: Server, hook: Make) -> None:
    def hang_up() -> int:
        raise ConnectionResetError

    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.answers = [hang_up]
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: not webhook.waiting)
    assert server.numbers == [0, 0]


def test_the_pauses_double_up_to_the_longest_and_begin_anew(
    server: Server, hook: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "FIRST", 1.0)
    monkeypatch.setattr(module, "LONGEST", 300.0)
    monkeypatch.setattr(Webhook, "_closed_within", lambda self, seconds: pauses.append(seconds))
    server.answers = [500] * 11 + [204, 500]
    webhook = hook(server.url)
    for n in range(2):
        webhook.deliver(event(n))
    wait_until(lambda: not webhook.waiting)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 1]


def test_new_lines_do_not_shorten_a_pause(
    server: Server, hook: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 1000.0)
    server.answers = [500]
    webhook = hook(server.url)
    for n in range(50):
        webhook.deliver(event(n))
        wait_until(lambda: webhook.trouble)
    assert server.numbers == [0] and webhook.waiting == 50


def test_close_does_not_wait_for_a_pause(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 1000.0)
    server.answers = [500]
    webhook = Webhook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: webhook.trouble)
    webhook.close()
    assert not webhook._thread.is_alive() and server.numbers == [0] and webhook.lost == 1


def test_close_sends_what_waits(server: Server, tmp_path: Path) -> None:
    webhook = Webhook(server.url, spool=tmp_path)
    for n in range(30):
        webhook.deliver(event(n))
    webhook.close()
    assert server.numbers == list(range(30)) and not list(tmp_path.iterdir())


def test_after_a_restart_what_waits_is_sent_before_any_new_line(
    server: Server, hook: Make, tmp_path: Path
) -> None:
    server.answers = [500] * 1000
    webhook = Webhook(server.url, spool=tmp_path / "spool")
    for n in range(3):
        webhook.deliver(event(n))
    wait_until(lambda: webhook.trouble)
    webhook.close()
    assert webhook.lost == 0 and len(list((tmp_path / "spool").iterdir())) == 3
    server.answers, server.lines = [], []
    webhook = hook(server.url, spool=tmp_path / "spool")
    wait_until(lambda: not webhook.waiting)
    webhook.deliver(event(3))
    wait_until(lambda: not webhook.waiting)
    assert server.numbers == [0, 1, 2, 3] and not list((tmp_path / "spool").iterdir())


def test_a_redirect_is_not_followed_and_loses_nothing(
    server: Server, hook: Make, monkeypatch: Any
) -> None:
    monkeypatch.setenv(TOKEN, "hunter2")
    other = Server()
    server.location, server.answers = f"{other.url}/elsewhere", [307, 302]
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: not webhook.waiting)
    other.stop()
    assert server.numbers == [0, 0, 0] and other.lines == [] and webhook.lost == 0


def test_a_redirect_is_told(server: Server, hook: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "FIRST", 1000.0)
    server.location, server.answers = "https://elsewhere.invalid/", [308]
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: webhook.trouble)
    assert (
        webhook.trouble
        == f"{server.url} answers 308 Permanent Redirect to another address, give that one; lines wait"
    )


def test_the_token_is_sent(server: Server, hook: Make, monkeypatch: Any) -> None:
    monkeypatch.setenv(TOKEN, "hunter2\n")
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: not webhook.waiting)
    assert server.headers[0]["Authorization"] == "Bearer hunter2"


def test_user_and_password_of_the_address_are_sent(server: Server, hook: Make) -> None:
    webhook = hook(server.url.replace("://", "://pump:p%40ss@"))
    webhook.deliver(event(0))
    wait_until(lambda: not webhook.waiting)
    assert server.headers[0]["Authorization"] == f"Basic {base64.b64encode(b'pump:p@ss').decode()}"
    assert "@" not in server.headers[0]["Host"]


def test_a_proxy_of_the_environment_is_used(server: Server, hook: Make, monkeypatch: Any) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    webhook = hook("http://example.invalid/alarms")
    webhook.deliver(event(0))
    wait_until(lambda: not webhook.waiting)
    assert server.paths == ["http://example.invalid/alarms"]


@pytest.mark.parametrize("status", [400, 500])
def test_no_message_holds_a_secret(server: Server, hook: Make, status: int) -> None:
    server.answers = [status] * 1000
    webhook = hook(
        server.url.replace("://", "://pump:hunter2@") + "/services/hunter3?key=hunter4#hunter5"
    )
    webhook.deliver(event(0))
    wait_until(lambda: webhook.trouble)
    assert server.url in str(webhook.trouble) and "hunter" not in str(webhook.trouble)


@pytest.mark.parametrize("url", ["http://exam..ple/", "http://127.0.0.1:1/"])
def test_a_host_that_is_none_is_trouble_not_the_end(hook: Make, url: str) -> None:
    webhook = hook(url)
    webhook.deliver(event(0))
    wait_until(lambda: webhook.trouble)
    assert webhook._thread.is_alive() and webhook.waiting == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read; give one such as"),
        ("example.org/alarms", "cannot be read"),
        ("http://", "cannot be read"),
        ("http://user:hunter2@host:port/", "cannot be read"),
        ("http://[user:hunter2@host/", "cannot be read"),
        ("http://host/hunter2\n", "cannot be read"),
        ("http://host/hunter2 2", "cannot be read"),
        ("http://höst/hunter2", "cannot be read"),
        ("ftp://user:hunter2@host/", "ftp is not known; give an address with http:// or https://"),
        ("file://host/etc/hunter2", "file is not known"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_not_told(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Webhook(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("http://user:hunter2@host/", "hunter3", "give one of them"),
        ("http://host/", "hunter2\r\nX-Evil: 1", "no header may"),
        ("http://host/", "hünter2", "no header may"),
    ],
)
def test_a_token_that_cannot_be_is_refused_and_not_told(
    url: str, token: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(ConfigError, match=sentence) as caught:
        Webhook(url)
    assert "nter" not in str(caught.value)


def test_failures_leave_no_descriptors(
    server: Server, hook: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeae.runtime.outputs.webhook.MOST_ANSWERS", 100)
    server.answers = [500] * 50
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    webhook = hook(server.url)
    webhook.deliver(event(0))
    wait_until(lambda: len(server.lines) == 51 and not webhook.waiting)
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"limit": 0}])
def test_limits_are_above_0(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give"):
        Webhook("http://127.0.0.1:9", **options)
