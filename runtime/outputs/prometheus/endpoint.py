"""`--metrics 127.0.0.1:9464`: the numbers over HTTP, for Prometheus to scrape."""

from ..http_server import Handler, Server
from .exposition import CONTENT_TYPE
from .metrics import Metrics


class MetricsServer(Server):
    """Serves from the moment it is made; ConfigError where it cannot."""

    def __init__(self, address: str, metrics: Metrics) -> None:
        self.metrics = metrics
        super().__init__("--metrics", address, _Handler)


class _Handler(Handler):
    server: MetricsServer

    def get(self, path: str, query: str) -> None:
        if path != "/metrics":
            self.send_error(404)
            return
        self.answer(CONTENT_TYPE, self.server.metrics.text().encode(errors="replace"))

    do_HEAD = Handler.do_GET  # noqa: N815, the name that http.server looks for
