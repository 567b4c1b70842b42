"""The endpoint against clients that are right, wrong, slow and mute."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs import http_server as web
from edgeae.runtime.outputs.http_server import REQUESTS, parse_address
from edgeae.runtime.outputs.prometheus.endpoint import MetricsServer
from edgeae.runtime.outputs.prometheus.exposition import CONTENT_TYPE
from edgeae.runtime.outputs.prometheus.metrics import Metrics

Serve = Callable[..., MetricsServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[MetricsServer] = []

    def make(address: str = "127.0.0.1:0") -> MetricsServer:
        servers.append(MetricsServer(address, Metrics()))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def ask(
    port: int, path: str = "/metrics", method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, str, str]:
    """(status, content type, body)."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    result = response.status, response.headers.get("Content-Type", ""), response.read().decode()
    connection.close()
    return result


def test_a_scrape_gives_the_text(serve: Serve) -> None:
    status, content_type, body = ask(serve().port)
    assert (status, content_type) == (200, CONTENT_TYPE)
    assert "\nedgeae_build_info{" in body
    assert body.endswith("\n")


def test_head_gives_no_body(serve: Serve) -> None:
    assert ask(serve().port, method="HEAD") == (200, CONTENT_TYPE, "")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/favicon.ico"])
def test_there_is_nothing_else(serve: Serve, path: str) -> None:
    assert ask(serve().port, path)[0] == 404


def test_a_query_changes_nothing(serve: Serve) -> None:
    assert ask(serve().port, "/metrics?name=x")[0] == 200


def test_other_methods_are_refused(serve: Serve) -> None:
    assert ask(serve().port, method="POST")[0] == 501


def test_nothing_is_logged(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    server = serve()
    ask(server.port)
    ask(server.port, "/nothing")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.send(b"GET /met")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.send(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        client.recv(1000)
    assert capfd.readouterr() == ("", "")


def test_scrapes_at_once(serve: Serve) -> None:
    server = serve()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ask, [server.port] * 40))
    assert [status for status, *_ in results] == [200] * 40


def test_ipv6(serve: Serve) -> None:
    assert ask(serve("[::1]:0").port, host="::1")[0] == 200


def test_mute_and_trickling_clients_are_ended_and_hold_nobody_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setattr(web, "SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", server.port)) as mute:
        assert ask(server.port)[0] == 200, "beside a client that says nothing"
        mute.settimeout(30)
        assert mute.recv(1) == b"", "it is cut off"
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        deadline = time.monotonic() + 30
        with pytest.raises(OSError, match=r"[Bb]roken pipe|reset"):
            while time.monotonic() < deadline:
                slow.send(b"x")  # each byte in time, the request never
                time.sleep(0.05)
    assert ask(server.port)[0] == 200


def test_more_requests_than_there_is_room_for_are_turned_away(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setattr(web, "SECONDS", 2.0)
    mute = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(REQUESTS)]
    with socket.create_connection(("127.0.0.1", server.port)) as one_more:
        one_more.settimeout(30)
        assert one_more.recv(1) == b""
    for client in mute:
        client.settimeout(30)
        assert client.recv(1) == b""
        client.close()
    assert ask(server.port)[0] == 200


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("localhost:9464", ("localhost", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_addresses(text: str, place: tuple[str, int]) -> None:
    assert parse_address(text) == place


@pytest.mark.parametrize(
    "text", ["", ":9464", "*:9464", "127.0.0.1", "99999", "::1:9464", "a b:1", "http://x:1", "-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--metrics .*(write a port|cannot listen)"):
        MetricsServer(text, Metrics())


def test_a_port_in_use_is_told(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen there .*in use"):
        serve(str(serve().port))


def test_only_an_address_that_others_reach_is_warned_of(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("localhost:0")
    serve("[::1]:0")
    assert capsys.readouterr().err == ""
    serve("0.0.0.0:0")
    assert (
        capsys.readouterr().err
        == "edgeae: --metrics 0.0.0.0:0 can be read by all who reach this computer\n"
    )
