"""`--metrics 127.0.0.1:9464`: the metrics over HTTP, for Prometheus to scrape.

A module of its own, because http.server takes 7 MiB of memory and `--metrics-file` works without.
"""

from ..http_server import DEFAULT_LIMITS, HttpLimits, HttpServer, RequestHandler
from .exposition import CONTENT_TYPE
from .metrics import Metrics

EXAMPLE_PORT = 9464


class MetricsServer(HttpServer):
    """Serves /metrics from its construction on; ConfigError for an address that cannot be used."""

    def __init__(self, address: str, metrics: Metrics, limits: HttpLimits = DEFAULT_LIMITS) -> None:
        self.metrics = metrics
        super().__init__("--metrics", address, _Handler, example_port=EXAMPLE_PORT, limits=limits)


class _Handler(RequestHandler):
    server: MetricsServer

    def respond(self, path: str, query: str) -> None:
        if path != "/metrics":
            self.send_error(404)
            return
        self.send_body(CONTENT_TYPE, self.server.metrics.text().encode(errors="replace"))

    do_HEAD = RequestHandler.do_GET  # noqa: N815, the name that http.server looks for
