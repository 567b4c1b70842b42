"""The endpoint that Prometheus scrapes; test_http_server.py has what clients can do to a server."""

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeae.runtime.errors import ConfigError
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


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
    """(status, content type, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    answer = response.status, response.headers.get("Content-Type", ""), response.read().decode()
    connection.close()
    return answer


def test_a_scrape_gives_the_text(serve: Serve) -> None:
    status, content_type, body = ask(serve().port)
    assert (status, content_type) == (200, CONTENT_TYPE)
    assert "\nedgeae_build_info{" in body
    assert body.endswith("\n")


def test_head_returns_no_body(serve: Serve) -> None:
    assert ask(serve().port, method="HEAD") == (200, CONTENT_TYPE, "")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/favicon.ico"])
def test_other_paths_are_not_found(serve: Serve, path: str) -> None:
    assert ask(serve().port, path)[0] == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_scrape_of_a_foreign_name_is_refused(serve: Serve, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serve().port, timeout=30)
    connection.request(method, "/metrics", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_a_query_changes_nothing(serve: Serve) -> None:
    assert ask(serve().port, "/metrics?name=x")[0] == 200


def test_other_methods_are_refused(serve: Serve) -> None:
    assert ask(serve().port, method="POST")[0] == 501


def test_simultaneous_scrapes_are_answered(serve: Serve) -> None:
    server = serve()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [server.port] * 40))
    assert [status for status, *_ in answers] == [200] * 40


def test_a_wrong_address_is_refused_with_the_usual_port_as_example() -> None:
    with pytest.raises(ConfigError, match=r"^--metrics x: .*such as 127\.0\.0\.1:9464"):
        MetricsServer("x", Metrics())
