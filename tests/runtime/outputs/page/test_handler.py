"""Requests to the page over real HTTP: login, history, what people say, TLS."""

import http.client
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from example_lines import event, score, status

from edgeae.runtime.outputs.feedback import FeedbackQueue, NormalMessage
from edgeae.runtime.outputs.page.context import PageLimits
from edgeae.runtime.outputs.page.history import History
from edgeae.runtime.outputs.page.history_store import HistoryStore
from edgeae.runtime.outputs.page.server import PageServer
from edgeae.runtime.outputs.page.token import AttemptLimits, TokenGuard
from edgeae.runtime.outputs.server_tls import ServerTls

TOKEN = "a-token-that-is-long-enough"
Serve = Callable[..., PageServer]
Answer = tuple[int, http.client.HTTPMessage, bytes]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(address, **options)``: a page with two lines of a source, and a token."""
    servers: list[PageServer] = []

    def make(address: str = "127.0.0.1:0", **options: Any) -> PageServer:
        history = History()
        store = HistoryStore()
        for line in (status("listening"), score(0.5), event("start", time="")):
            history.deliver(line)
            store.deliver(line)
        options = {"token": TOKEN, "queue": FeedbackQueue(), **options}
        servers.append(PageServer(address, history, store, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def ask(server: PageServer, method: str, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


def log_in(server: PageServer) -> str:
    """The cookie of a browser that sends the token."""
    code, headers, _ = ask(server, "POST", "/login", Authorization=f"Bearer {TOKEN}")
    assert code == 204
    return headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize("path", ["/history", "/events", "/scores?source=0", "/clip?event=1"])
def test_another_computer_reads_nothing_without_the_token(serve: Serve, path: str) -> None:
    server = serve("0.0.0.0:0")
    assert ask(server, "GET", path)[0] == 401
    assert ask(server, "GET", path, Cookie=f"edgeae-{server.port}=1.2")[0] == 401
    assert ask(server, "HEAD", path)[0] == 401
    assert ask(server, "GET", "/")[0] == 200, "the page itself asks for the token"
    session = json.loads(ask(server, "GET", "/session")[2])
    assert (session["can_read"], session["can_write"]) == (False, False)


def test_another_computer_reads_with_a_cookie_or_with_the_token(serve: Serve) -> None:
    server = serve("0.0.0.0:0")
    cookie = log_in(server)
    assert ask(server, "GET", "/history", Cookie=cookie)[0] == 200
    assert ask(server, "GET", "/history", Authorization=f"Bearer {TOKEN}")[0] == 200
    session = json.loads(ask(server, "GET", "/session", Cookie=cookie)[2])
    assert (session["can_read"], session["can_write"]) == (True, True)


def test_failed_logins_are_limited(serve: Serve) -> None:
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=3))
    server = serve("0.0.0.0:0", guard=guard)
    codes = [ask(server, "POST", "/login", Authorization="Bearer x")[0] for _ in range(4)]
    assert codes == [403, 403, 403, 429]
    code, headers, _ = ask(server, "GET", "/history", Authorization=f"Bearer {TOKEN}")
    assert code == 429
    assert int(headers["Retry-After"]) > 0


def test_wrong_tokens_of_one_client_of_a_proxy_make_no_other_wait(serve: Serve) -> None:
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=3))
    server = serve("127.0.0.1:0", guard=guard, page_url="https://pumps.example/")
    attack = {"Authorization": "Bearer x", "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert [ask(server, "POST", "/login", **attack)[0] for _ in range(4)] == [403] * 3 + [429]
    person = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.10"}
    assert ask(server, "POST", "/login", **person)[0] == 204
    assert ask(server, "GET", "/history", **person)[0] == 200


def test_a_browser_that_is_logged_in_does_not_wait(serve: Serve) -> None:
    guard = TokenGuard(TOKEN, AttemptLimits(max_wrong=3))
    server = serve("0.0.0.0:0", guard=guard)
    cookie = log_in(server)
    codes = [ask(server, "POST", "/login", Authorization="Bearer x")[0] for _ in range(4)]
    assert codes[-1] == 429
    browser = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{server.port}"}
    assert ask(server, "POST", "/acknowledge?event=1&say=yes", **browser)[0] == 200
    assert ask(server, "GET", "/history", **browser)[0] == 200


def test_a_logout_removes_the_cookie(serve: Serve) -> None:
    code, headers, _ = ask(serve(), "POST", "/logout")
    assert (code, "Max-Age=0" in headers["Set-Cookie"]) == (204, True)


def test_the_history_is_filtered(serve: Serve) -> None:
    server = serve()
    [alarm] = json.loads(ask(server, "GET", "/history?kind=alarm&source=1")[2])["events"]
    assert (alarm["kind"], alarm["machine"], alarm["end_ms"]) == ("alarm", "pump-3", None)
    assert json.loads(ask(server, "GET", "/history?kind=burst")[2])["events"] == []


@pytest.mark.parametrize("verdict", ["normal", "fault"])
def test_what_a_person_says_about_an_event_is_stored(serve: Serve, verdict: str) -> None:
    queue = FeedbackQueue()
    server = serve(queue=queue)
    origin = f"http://127.0.0.1:{server.port}"
    path = f"/verdict?event=1&say={verdict}"
    assert ask(server, "POST", path, Origin=origin)[0] == 403, "without a login"
    code, _, body = ask(server, "POST", path, Cookie=log_in(server), Origin=origin)
    assert (code, json.loads(body)) == (200, {"learned": verdict == "normal"})
    [event] = json.loads(ask(server, "GET", "/history?kind=alarm")[2])["events"]
    assert event["verdict"] == verdict
    expected = [NormalMessage("hw:1", "page")] if verdict == "normal" else []
    assert queue.pop_all() == expected


def test_a_source_that_is_called_normal_has_its_alarm_marked(serve: Serve) -> None:
    queue = FeedbackQueue()
    server = serve(queue=queue)
    assert ask(server, "POST", "/normal?source=0", Authorization=f"Bearer {TOKEN}")[0] == 202
    assert queue.pop_all() == [NormalMessage("hw:1", "page")]
    [event] = json.loads(ask(server, "GET", "/history?kind=alarm")[2])["events"]
    assert event["verdict"] == "normal"


def test_an_event_of_last_year_is_judged_and_not_learned(serve: Serve) -> None:
    queue = FeedbackQueue()
    server = serve(queue=queue)
    server.context.store.deliver(event("start"))
    server.context.store.deliver(event("end", duration=5.0))
    bearer = f"Bearer {TOKEN}"
    body = ask(server, "POST", "/verdict?event=2&say=normal", Authorization=bearer)[2]
    assert json.loads(body) == {"learned": False}
    assert queue.pop_all() == []


def test_an_event_is_acknowledged_and_that_is_taken_back(serve: Serve) -> None:
    server = serve()
    for say, is_seen in (("yes", True), ("no", False)):
        path = f"/acknowledge?event=1&say={say}"
        assert ask(server, "POST", path, Authorization=f"Bearer {TOKEN}")[0] == 200
        [event] = json.loads(ask(server, "GET", "/history?kind=alarm")[2])["events"]
        assert (event["acknowledged_ms"] is not None) is is_seen


@pytest.mark.parametrize("path", ["/verdict?event=9&say=fault", "/verdict", "/acknowledge?event=x"])
def test_an_event_that_does_not_exist_is_not_found(serve: Serve, path: str) -> None:
    assert ask(serve(), "POST", path, Authorization=f"Bearer {TOKEN}")[0] == 404


def test_a_cookie_is_not_enough_for_a_page_of_another_origin(serve: Serve) -> None:
    server = serve()
    cookie = log_in(server)
    for headers in ({}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "http://evil.example"}):
        assert ask(server, "POST", "/normal?source=0", Cookie=cookie, **headers)[0] == 403


def test_the_name_of_a_proxy_is_allowed_if_the_page_is_opened_there(serve: Serve) -> None:
    server = serve(page_url="https://machines.example.org/pump-3/")
    assert ask(server, "GET", "/", Host="machines.example.org")[0] == 200
    assert ask(server, "GET", "/", Host="evil.example.org")[0] == 403


def test_a_proxy_makes_a_page_of_this_computer_public(serve: Serve) -> None:
    server = serve(page_url="https://machines.example.org/pump-3/")
    proxied = {"Host": "machines.example.org"}
    assert ask(server, "GET", "/history", **proxied)[0] == 401
    bearer = f"Bearer {TOKEN}"
    assert ask(server, "GET", "/history", Authorization=bearer, **proxied)[0] == 200


@pytest.mark.parametrize(
    ("url", "is_secure"), [("https://pi.lan/", True), ("http://pi.lan/", False), (None, False)]
)
def test_the_cookie_is_sent_over_tls_only_if_the_page_is_opened_over_tls(
    serve: Serve, url: str | None, is_secure: bool
) -> None:
    _, headers, _ = ask(serve(page_url=url), "POST", "/login", Authorization=f"Bearer {TOKEN}")
    assert ("; Secure" in headers["Set-Cookie"]) is is_secure


def test_too_many_files_at_once_are_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve(limits=PageLimits(max_files=1))
    clip = tmp_path / "clip.flac"
    clip.write_bytes(b"fLaC")
    server.context.store.deliver(event("start", clip=str(clip)))
    server.context.free_files.acquire()
    assert ask(server, "GET", "/clip?event=2")[0] == 503
    server.context.free_files.release()
    assert ask(server, "GET", "/clip?event=2")[0] == 200
    assert ask(server, "GET", "/picture?event=2")[0] == 404, "it is no sound"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost; its key is beside it, .key."""
    path = tmp_path_factory.mktemp("tls") / "page.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(["openssl", *command.split(), *names, *files], check=True, capture_output=True)
    return path


def test_with_a_certificate_the_page_is_encrypted(
    serve: Serve, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = ServerTls(certificate, certificate.with_suffix(".key"), "--page-cert")
    server = serve("0.0.0.0:0", tls=tls)
    assert "not encrypted" not in capsys.readouterr().err
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
    connection.request("POST", "/login", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert response.status == 204
    assert response.headers["Set-Cookie"].endswith("; Secure")
    connection.close()


def test_a_client_without_encryption_keeps_nobody_away(serve: Serve, certificate: Path) -> None:
    tls = ServerTls(certificate, certificate.with_suffix(".key"), "--page-cert")
    server = serve(tls=tls)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(server, "GET", "/")
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
