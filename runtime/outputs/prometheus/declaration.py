"""Declares `--metrics` and `--metrics-file`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

from ..declaration import FILE, OpenOutput, OutputContext, OutputDeclaration, run_option
from ..lines import RunLine
from ..outbox import Outbox

OPTIONS = (
    run_option(
        "--metrics",
        metavar="[HOST:]PORT",
        value_kind="address",
        help="Serve Prometheus metrics at this address; a port alone is one of 127.0.0.1.",
    ),
    run_option(
        "--metrics-file",
        type=FILE,
        value_kind="public-file",
        help="Write Prometheus metrics to this FILE.prom, for node_exporter.",
    ),
)


@dataclass(frozen=True)
class MetricsOptions:
    """The values of the options."""

    metrics: str | None
    metrics_file: Path | None


def open_metrics(options: MetricsOptions, context: OutputContext) -> OpenOutput | None:
    """The numbers of all lines and of the other outputs, on a port or in a file."""
    if options.metrics is None and options.metrics_file is None:
        return None
    from .metrics import Metrics

    metrics = Metrics(context.opened)
    outboxes: list[Outbox[RunLine]] = [context.outbox(metrics)]
    close = None
    if options.metrics is not None:
        from .endpoint import MetricsServer

        close = MetricsServer(options.metrics, metrics).close
    if options.metrics_file:
        from .text_file import MetricsFile

        every = context.limits.metrics_file_seconds
        outboxes.append(context.outbox(MetricsFile(options.metrics_file, metrics, every)))
    return OpenOutput(outboxes, closes_last=True, close=close)


OUTPUT = OutputDeclaration(OPTIONS, MetricsOptions, open_metrics)
