"""Declares `--webhook`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

import click

from ..declaration import FOLDER, OpenOutput, OutputContext, OutputDeclaration, run_option

OPTIONS = (
    run_option(
        "--webhook",
        metavar="URL",
        envvar="EDGEAE_WEBHOOK",
        value_kind="url",
        keeps_lines=True,
        help="POST events, gaps and status lines to this URL.",
    ),
    run_option(
        "--webhook-spool",
        type=FOLDER,
        value_kind="output-folder",
        help="Folder for lines that wait while the webhook's server is down.  [default: memory]",
    ),
    run_option(
        "--webhook-limit",
        default=1000,
        show_default=True,
        type=click.IntRange(1),
        help="Maximum number of lines that wait for the webhook's server.",
    ),
)


@dataclass(frozen=True)
class WebhookOptions:
    """The values of the options."""

    webhook: str | None
    webhook_spool: Path | None
    webhook_limit: int  # lines


def open_webhook(options: WebhookOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to a `Webhook`, if there is a URL."""
    if options.webhook is None:
        return None
    from .sink import Webhook

    sink = Webhook(options.webhook, spool=options.webhook_spool, limit=options.webhook_limit)
    return OpenOutput([context.outbox(sink)])


OUTPUT = OutputDeclaration(OPTIONS, WebhookOptions, open_webhook)
