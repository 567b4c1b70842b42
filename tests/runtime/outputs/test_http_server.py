"""The server against clients that are right, wrong, slow and mute."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from certificates import Authority
from waiting import wait_for

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.http_server import (
    DEFAULT_LIMITS,
    PIECE_BYTES,
    HttpLimits,
    HttpServer,
    RequestHandler,
    is_loopback,
    is_own_name,
    parse_address,
)
from edgeae.runtime.outputs.server_tls import ServerTls

Serve = Callable[..., HttpServer]


class Greeting(RequestHandler):
    """Answers its path and query, or the file that the query names."""

    def respond(self, path: str, query: str) -> None:
        if path == "/missing":
            self.send_error(404)
        elif path == "/file":
            with Path(query).open("rb") as file:
                self.send_body("application/octet-stream", file)
        elif path == "/broken":
            raise ZeroDivisionError("a defect of the handler")
        else:
            self.send_body("text/plain", f"{path} {query}".encode())


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HttpServer] = []

    def make(
        address: str = "127.0.0.1:0",
        limits: HttpLimits = DEFAULT_LIMITS,
        tls: ServerTls | None = None,
    ) -> HttpServer:
        server = HttpServer("--greet", address, Greeting, example_port=9464, limits=limits, tls=tls)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


def ask(
    port: int,
    path: str = "/hello",
    method: str = "GET",
    host: str = "127.0.0.1",
    name: str | None = None,
) -> tuple[int, bytes]:
    """(status, body); name: in the Host header."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request(method, path, headers={"Host": name} if name else {})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_a_handler_gets_path_and_query(serve: Serve) -> None:
    assert ask(serve().port, "/hello?name=x") == (200, b"/hello name=x")


def test_head_returns_no_body(serve: Serve) -> None:
    assert ask(serve().port, method="HEAD") == (200, b"")


@pytest.mark.parametrize("name", ["evil.example", "[::1", "127.0.0.1.evil.example:9464"])
def test_a_foreign_name_in_the_request_is_refused(serve: Serve, name: str) -> None:
    assert ask(serve().port, name=name)[0] == 403


def test_the_name_that_the_address_gives_is_answered(serve: Serve) -> None:
    assert ask(serve("localhost:0").port, name="localhost:9464")[0] == 200


def test_other_methods_are_refused(serve: Serve) -> None:
    assert ask(serve().port, method="POST")[0] == 501


def test_a_file_of_several_pieces_arrives_whole(serve: Serve, tmp_path: Path) -> None:
    content = bytes(range(256)) * (PIECE_BYTES // 100)
    (tmp_path / "file").write_bytes(content)
    assert ask(serve().port, f"/file?{tmp_path / 'file'}") == (200, content)


def test_nothing_is_logged(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    server = serve()
    ask(server.port)
    ask(server.port, "/missing")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.send(b"GET /hel")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.send(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        client.recv(1000)
    assert capfd.readouterr() == ("", "")


def test_a_defect_of_a_handler_is_printed_and_ends_its_request_only(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server.port, "/broken")
    assert ask(server.port)[0] == 200
    assert "a defect of the handler" in capfd.readouterr().err


def test_requests_at_once_are_all_answered(serve: Serve) -> None:
    server = serve()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [server.port] * 40))
    assert [status for status, _ in answers] == [200] * 40


def test_a_server_accepts_ipv6_addresses(serve: Serve) -> None:
    assert ask(serve("[::1]:0").port, host="::1")[0] == 200


def test_silent_and_slow_clients_are_disconnected_and_delay_nobody(serve: Serve) -> None:
    server = serve(limits=HttpLimits(request_seconds=1.0))
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


def test_a_request_can_be_allowed_more_time(serve: Serve) -> None:
    server = serve()
    first, second = socket.socketpair()
    with first, second:
        server.allow(first, 30.0)
        server.service_actions()
        first.send(b"open")
        assert second.recv(4) == b"open"
        server.allow(first, -1.0)
        server.service_actions()
        assert second.recv(4) == b""


def test_more_requests_than_the_limit_are_refused(serve: Serve) -> None:
    limits = HttpLimits(request_seconds=2.0)
    server = serve(limits=limits)
    address = ("127.0.0.1", server.port)
    mute = [socket.create_connection(address) for _ in range(limits.max_requests)]
    with socket.create_connection(address) as one_more:
        one_more.settimeout(30)
        assert one_more.recv(1) == b""
    for client in mute:
        client.settimeout(30)
        assert client.recv(1) == b""
        client.close()
    assert ask(server.port)[0] == 200


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1:8321", True),
        ("localhost", True),
        ("LOCALHOST:99", True),
        ("[::1]:8321", True),
        ("192.168.1.7:8321", True),
        ("pi.local:8321", True),
        ("monitor.example:8321", True),
        (socket.gethostname(), True),
        ("evil.example:8321", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("notlocal", False),
        ("", False),
    ],
)
def test_names_that_a_foreign_name_server_can_give_are_refused(host: str, is_own: bool) -> None:
    assert is_own_name(host, "monitor.example") is is_own


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("localhost:9464", ("localhost", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_has_a_port_and_optionally_a_host(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, "--greet", 9464) == address


@pytest.mark.parametrize(
    "text", ["", ":9464", "*:9464", "127.0.0.1", "999999", "::1:9464", "a b:1", "http://x:1", "-1"]
)
def test_text_that_is_no_address_is_refused_with_an_example(serve: Serve, text: str) -> None:
    with pytest.raises(ConfigError, match=r"--greet .*such as 127\.0\.0\.1:9464"):
        serve(text)


def test_a_port_in_use_is_refused(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"^--greet \d+: cannot listen there .*in use"):
        serve(str(serve().port))


def test_only_an_address_that_others_can_reach_causes_a_warning(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve("localhost:0")
    serve("[::1]:0")
    assert capsys.readouterr().err == ""
    serve("0.0.0.0:0")
    warning = "edgeae: everybody who reaches this computer can read --greet 0.0.0.0:0\n"
    assert capsys.readouterr().err == warning


def test_a_closed_server_accepts_nothing(serve: Serve) -> None:
    server = HttpServer("--greet", "127.0.0.1:0", Greeting, example_port=9464)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        ask(server.port)


def test_the_client_that_sends_its_request_slowest_makes_room_for_a_new_one(serve: Serve) -> None:
    port = serve(limits=HttpLimits(max_requests=2, request_seconds=60.0)).port
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\n")
    assert ask(port) == (200, b"/hello ")
    assert slow[0].recv(10) == b"", "the oldest is closed"
    slow[1].send(b"Host: localhost\r\n\r\n")
    assert slow[1].recv(12).startswith(b"HTTP/1.")
    for client in slow:
        client.close()


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("fe80::1%1", False)],
)
def test_an_address_of_this_computer_alone_is_known(address: str, local: bool) -> None:
    assert is_loopback(address) is local


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    certificate = Authority(tmp_path_factory.mktemp("tls")).own
    return ServerTls(certificate.file, certificate.key, "--greet-cert")


def _tls_client(port: int) -> ssl.SSLSocket:
    """A client whose handshake is done."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    client.settimeout(30)
    return client


def _is_answered(port: int) -> bool:
    with _tls_client(port) as client:
        client.sendall(b"GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return client.recv(1000).startswith(b"HTTP/1.0 200")


def _has_no_request() -> bool:
    return not any("process_request_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("has_handshake", [False, True])
def test_silent_clients_of_tls_keep_no_other_away_and_are_closed(
    serve: Serve, tls: ServerTls, has_handshake: bool
) -> None:
    server = serve(limits=HttpLimits(max_requests=2, request_seconds=2.0), tls=tls)
    address = ("127.0.0.1", server.port)
    silent = [
        _tls_client(server.port) if has_handshake else socket.create_connection(address)
        for _ in range(2)
    ]
    assert _is_answered(server.port), "in place of the oldest"
    wait_for(_has_no_request)
    for client in silent:
        client.close()


def test_a_client_of_tls_that_reads_nothing_is_closed(
    serve: Serve, tls: ServerTls, tmp_path: Path
) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(1 << 26))  # more than the buffers of the connection hold
    server = serve(limits=HttpLimits(request_seconds=1.0), tls=tls)
    with _tls_client(server.port) as slow:
        slow.sendall(f"GET /file?{file} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(12).startswith(b"HTTP/1.0 200")
        assert _is_answered(server.port), "beside it"
        wait_for(_has_no_request)


def test_a_server_of_tls_closes_at_once_beside_slow_clients(tls: ServerTls) -> None:
    server = HttpServer("--greet", "127.0.0.1:0", Greeting, example_port=9464, tls=tls)
    with socket.create_connection(("127.0.0.1", server.port)), _tls_client(server.port):
        thread = threading.Thread(target=server.close)
        thread.start()
        thread.join(DEFAULT_LIMITS.request_seconds / 2)
        assert not thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            ask(server.port)
    wait_for(_has_no_request)


@pytest.mark.parametrize("text", ["65536", "127.0.0.1:99999"])
def test_a_port_that_tcp_does_not_have_is_named(serve: Serve, text: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"--greet {text}: the port is .*; allowed is 0 to 65535"
    ):
        serve(text)
