"""Lines to a real web server: down, slow, failing, refusing, redirecting, and after a restart."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import example_lines
import pytest
from example_lines import ONE_OF_EACH
from ports import reserved_port
from spooled import spooled_lines
from waiting import wait_for

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.lines import EventLine
from edgeae.runtime.outputs.outbox import Outbox
from edgeae.runtime.outputs.webhook.endpoint import TOKEN_VARIABLE
from edgeae.runtime.outputs.webhook.sink import DEFAULT_LIMITS, Webhook, WebhookLimits

QUICK = WebhookLimits(first_pause_seconds=0.01, max_pause_seconds=0.02)
ONE_ATTEMPT = WebhookLimits(first_pause_seconds=1000.0)


def event(n: int) -> EventLine:
    return example_lines.event(sequence=n)


class Server(ThreadingHTTPServer):
    """Answers with the next of `answers`, then with 204.

    A number is a status; a function is called, and gives one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answers: list[int | Callable[[], int]] = []
        self.location = ""
        self.retry_after = ""
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
            if self.server.retry_after:
                self.send_header("Retry-After", self.server.retry_after)
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


@pytest.fixture
def port() -> Iterator[int]:
    """Where nobody listens yet."""
    with reserved_port() as port:
        yield port


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no token of the environment."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


MakeWebhook = Callable[..., Webhook]


@pytest.fixture
def make_webhook() -> Iterator[MakeWebhook]:
    """`make_webhook(url, ...)`: a Webhook with short pauses that is closed at the end."""
    webhooks: list[Webhook] = []

    def make(url: str, *, limits: WebhookLimits = QUICK, **options: Any) -> Webhook:
        webhook = Webhook(url, limits=limits, **options)
        webhooks.append(webhook)
        return webhook

    yield make
    for webhook in webhooks:
        webhook.close()


def test_lines_are_posted_one_by_one_as_json(server: Server, make_webhook: MakeWebhook) -> None:
    webhook = make_webhook(f"{server.url}/alarms?room=7")
    for n in range(20):
        webhook.deliver(event(n))
    wait_for(lambda: not webhook.waiting)
    assert server.lines == [event(n).to_dict() for n in range(20)] and set(server.paths) == {
        "/alarms?room=7"
    }
    assert {h["Content-Type"] for h in server.headers} == {"application/json"}
    assert webhook.trouble is None and webhook.lost == 0


def test_scores_are_not_wanted(make_webhook: MakeWebhook) -> None:
    webhook = make_webhook("http://127.0.0.1:9")
    assert [line.type for line in ONE_OF_EACH if webhook.wants(line)] == [
        "event",
        "gap",
        "status",
    ]


@pytest.mark.parametrize("status", [500, 503, 408, 429, 401, 404])
def test_a_line_that_is_not_accepted_now_is_sent_again_in_order(
    server: Server, make_webhook: MakeWebhook, status: int
) -> None:
    server.answers = [204, status, status]
    webhook = make_webhook(server.url)
    for n in range(3):
        webhook.deliver(event(n))
    wait_for(lambda: not webhook.waiting)
    assert server.numbers == [0, 1, 1, 1, 2] and webhook.lost == 0
    wait_for(lambda: webhook.trouble is None)


@pytest.mark.parametrize("status", [400, 413, 414, 415, 422])
def test_a_refused_line_is_dropped_and_reported(
    server: Server, make_webhook: MakeWebhook, status: int
) -> None:
    server.answers = [status]
    webhook = make_webhook(server.url)
    webhook.deliver(event(0))
    wait_for(lambda: webhook.lost)
    assert str(webhook.trouble).startswith(f"{server.url} answers {status} ")
    assert str(webhook.trouble).endswith("; it was dropped")
    webhook.deliver(event(1))
    wait_for(lambda: webhook.trouble is None)
    assert server.numbers == [0, 1] and webhook.lost == 1


def test_a_line_that_is_never_accepted_does_not_delay_the_others_forever(
    server: Server, make_webhook: MakeWebhook
) -> None:
    server.answers = [500, 500, 500]
    webhook = make_webhook(server.url, limits=replace(QUICK, max_answers=3))
    webhook.deliver(event(0))
    webhook.deliver(event(1))
    wait_for(lambda: not webhook.waiting)
    assert server.numbers == [0, 0, 0, 1] and webhook.lost == 1


def test_a_server_that_is_down_gets_everything_when_it_is_back(
    port: int, make_webhook: MakeWebhook
) -> None:
    url = f"http://127.0.0.1:{port}"
    webhook = make_webhook(url)
    outbox = Outbox(webhook)
    for n in range(3):
        outbox.put(event(n))
    assert outbox.drain(20)
    wait_for(lambda: outbox.trouble)
    assert outbox.trouble == f"{url}: Connection refused; lines wait"
    assert (outbox.delivered, outbox.failed, webhook.waiting) == (3, 0, 3)
    server = Server(port)
    wait_for(lambda: not webhook.waiting and outbox.trouble is None)
    assert server.numbers == [0, 1, 2]
    outbox.close()
    server.stop()


def test_a_server_that_is_down_for_too_long_costs_the_oldest_lines(
    port: int, make_webhook: MakeWebhook
) -> None:
    webhook = make_webhook(f"http://127.0.0.1:{port}", limit=3)
    for n in range(10):
        webhook.deliver(event(n))
    wait_for(
        lambda: str(webhook.trouble).endswith("Connection refused; the oldest lines are dropped")
    )
    assert webhook.waiting == 3 and webhook.lost == 7


def test_a_server_that_does_not_answer_is_asked_again_after_the_time_limit(
    server: Server, make_webhook: MakeWebhook
) -> None:
    answer = threading.Event()
    server.answers = [lambda: answer.wait(20) and 204]
    webhook = make_webhook(server.url, timeout=0.2)
    webhook.deliver(event(0))
    wait_for(
        lambda: (
            webhook.trouble == f"{server.url}: timed out; lines wait" or server.numbers == [0, 0]
        )
    )
    wait_for(lambda: not webhook.waiting)
    answer.set()
    assert server.numbers == [0, 0]


def test_a_server_that_closes_the_connection_is_asked_again(
    server: Server, make_webhook: MakeWebhook
) -> None:
    def hang_up() -> int:
        raise ConnectionResetError

    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.answers = [hang_up]
    webhook = make_webhook(server.url)
    webhook.deliver(event(0))
    wait_for(lambda: not webhook.waiting)
    assert server.numbers == [0, 0]


def test_the_pauses_double_up_to_the_maximum_and_start_again(
    server: Server, make_webhook: MakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Webhook, "_closed_within", lambda self, seconds: pauses.append(seconds))
    server.answers = [*[500] * 11, 204, 500]
    webhook = make_webhook(server.url, limits=DEFAULT_LIMITS)
    for n in range(2):
        webhook.deliver(event(n))
    wait_for(lambda: not webhook.waiting)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 1]


def test_new_lines_do_not_shorten_a_pause(server: Server, make_webhook: MakeWebhook) -> None:
    server.answers = [500]
    webhook = make_webhook(server.url, limits=ONE_ATTEMPT)
    for n in range(50):
        webhook.deliver(event(n))
        wait_for(lambda: webhook.trouble)
    assert server.numbers == [0] and webhook.waiting == 50


def test_close_does_not_wait_for_a_pause(server: Server) -> None:
    server.answers = [500]
    webhook = Webhook(server.url, limits=ONE_ATTEMPT)
    webhook.deliver(event(0))
    wait_for(lambda: webhook.trouble)
    webhook.close()
    assert not webhook._thread.is_alive() and server.numbers == [0] and webhook.lost == 1


def test_lines_behind_an_answer_that_does_not_come_are_lost_at_the_end(server: Server) -> None:
    answer = threading.Event()
    server.answers = [lambda: answer.wait(20) and 204]
    webhook = Webhook(server.url, limits=replace(ONE_ATTEMPT, close_seconds=0.1))
    for n in range(3):
        webhook.deliver(event(n))
    wait_for(lambda: server.numbers)
    webhook.close()
    assert webhook.lost == 3
    answer.set()


def test_lines_that_wait_in_a_folder_are_not_lost_at_the_end(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [500]
    webhook = Webhook(server.url, spool=tmp_path, limits=ONE_ATTEMPT)
    for n in range(3):
        webhook.deliver(event(n))
    wait_for(lambda: webhook.trouble)
    webhook.close()
    assert (webhook.lost, len(spooled_lines(tmp_path))) == (0, 3)


def test_close_sends_the_waiting_lines(server: Server, tmp_path: Path) -> None:
    webhook = Webhook(server.url, spool=tmp_path)
    for n in range(30):
        webhook.deliver(event(n))
    webhook.close()
    assert server.numbers == list(range(30)) and not spooled_lines(tmp_path)


def test_after_a_restart_the_waiting_lines_are_sent_before_new_ones(
    server: Server, make_webhook: MakeWebhook, tmp_path: Path
) -> None:
    server.answers = [500] * 1000
    webhook = Webhook(server.url, spool=tmp_path / "spool")
    for n in range(3):
        webhook.deliver(event(n))
    wait_for(lambda: webhook.trouble)
    webhook.close()
    assert webhook.lost == 0 and len(spooled_lines(tmp_path / "spool")) == 3
    server.answers = []
    server.lines = []
    webhook = make_webhook(server.url, spool=tmp_path / "spool")
    wait_for(lambda: not webhook.waiting)
    webhook.deliver(event(3))
    wait_for(lambda: not webhook.waiting)
    assert server.numbers == [0, 1, 2, 3] and not spooled_lines(tmp_path / "spool")


def test_a_redirect_is_not_followed_and_loses_nothing(
    server: Server, make_webhook: MakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "hunter2")
    other = Server()
    server.location = f"{other.url}/elsewhere"
    server.answers = [307, 302]
    webhook = make_webhook(server.url)
    webhook.deliver(event(0))
    wait_for(lambda: not webhook.waiting)
    other.stop()
    assert server.numbers == [0, 0, 0] and other.lines == [] and webhook.lost == 0


def test_a_redirect_is_reported(server: Server, make_webhook: MakeWebhook) -> None:
    server.location = "https://elsewhere.invalid/"
    server.answers = [308]
    webhook = make_webhook(server.url, limits=ONE_ATTEMPT)
    webhook.deliver(event(0))
    wait_for(lambda: webhook.trouble)
    assert webhook.trouble == (
        f"{server.url} answers 308 Permanent Redirect, a redirect; "
        "give the address that it leads to; lines wait"
    )


def test_the_token_is_sent(
    server: Server, make_webhook: MakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "hunter2\n")
    webhook = make_webhook(server.url)
    webhook.deliver(event(0))
    wait_for(lambda: not webhook.waiting)
    assert server.headers[0]["Authorization"] == "Bearer hunter2"


def test_user_and_password_of_the_address_are_sent(
    server: Server, make_webhook: MakeWebhook
) -> None:
    webhook = make_webhook(server.url.replace("://", "://pump:p%40ss@"))
    webhook.deliver(event(0))
    wait_for(lambda: not webhook.waiting)
    assert server.headers[0]["Authorization"] == f"Basic {base64.b64encode(b'pump:p@ss').decode()}"
    assert "@" not in server.headers[0]["Host"]


def test_a_proxy_of_the_environment_is_used(
    server: Server, make_webhook: MakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    webhook = make_webhook("http://example.invalid/alarms")
    webhook.deliver(event(0))
    wait_for(lambda: not webhook.waiting)
    assert server.paths == ["http://example.invalid/alarms"]


@pytest.mark.parametrize("status", [400, 500])
def test_no_message_contains_a_secret(
    server: Server, make_webhook: MakeWebhook, status: int
) -> None:
    server.answers = [status] * 1000
    webhook = make_webhook(
        server.url.replace("://", "://pump:hunter2@") + "/services/hunter3?key=hunter4#hunter5"
    )
    webhook.deliver(event(0))
    wait_for(lambda: webhook.trouble)
    assert server.url in str(webhook.trouble) and "hunter" not in str(webhook.trouble)


@pytest.mark.parametrize("url", ["http://exam..ple/", "http://127.0.0.1:1/"])
def test_a_host_that_does_not_exist_is_reported_and_tried_again(
    make_webhook: MakeWebhook, url: str
) -> None:
    webhook = make_webhook(url)
    webhook.deliver(event(0))
    wait_for(lambda: webhook.trouble)
    assert webhook._thread.is_alive() and webhook.waiting == 1


def test_failures_leave_no_descriptors(server: Server, make_webhook: MakeWebhook) -> None:
    server.answers = [500] * 50
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    webhook = make_webhook(server.url, limits=replace(QUICK, max_answers=100))
    webhook.deliver(event(0))
    wait_for(lambda: len(server.lines) == 51 and not webhook.waiting)
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"limit": 0}])
def test_limits_are_above_0(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give"):
        Webhook("http://127.0.0.1:9", **options)


def test_a_server_that_asks_for_a_pause_is_left_alone_so_long(
    server: Server, make_webhook: MakeWebhook
) -> None:
    server.answers = [503]
    server.retry_after = "1"
    webhook = make_webhook(server.url)
    began = time.monotonic()
    webhook.deliver(event(0))
    wait_for(lambda: server.numbers == [0, 0])
    assert time.monotonic() - began >= 1.0
