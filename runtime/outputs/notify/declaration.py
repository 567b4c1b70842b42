"""Declares `--notify-file`: its options and how it opens."""

import os
from dataclasses import dataclass
from pathlib import Path

import click

from ...errors import ConfigError
from ..declaration import FILE, OpenOutput, OutputContext, OutputDeclaration, run_option

URLS_VARIABLE = "EDGEAE_NOTIFY_URLS"

OPTIONS = (
    run_option(
        "--notify-file",
        type=FILE,
        envvar="EDGEAE_NOTIFY_FILE",
        value_kind="secret-file",
        needs_network=True,
        help="Notify people of alarms and lost microphones: a file with the addresses of services "
        "such as ntfy, Telegram or e-mail, one a line, as Apprise writes them.  "
        "[default: $EDGEAE_NOTIFY_URLS, else none]",
    ),
    run_option(
        "--notify-per-hour",
        default=10,
        show_default=True,
        type=click.IntRange(1, 1000),
        help="Maximum number of notifications about one source in an hour.",
    ),
)


@dataclass(frozen=True)
class NotifyOptions:
    """The values of the options."""

    notify_file: Path | None
    notify_per_hour: int
    page: str | None  # for a link
    page_url: str | None
    page_cert: Path | None


def open_notify(options: NotifyOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to the services, if there are addresses."""
    variable = os.environ.get(URLS_VARIABLE)
    if options.notify_file is None and (not variable or not context.live):
        return None
    if not context.live:
        raise ConfigError(
            "--notify-file notifies of what a microphone or a pipe receives; of recordings, look "
            "at the exit code of --fail-on-anomaly"
        )
    from ..page_link import page_link
    from .service import open_services, read_addresses
    from .sink import Notify

    services = open_services(read_addresses(options.notify_file, variable))
    sink = Notify(
        services,
        max_per_hour=options.notify_per_hour,
        page_url=page_link(options.page, options.page_url, is_encrypted=bool(options.page_cert)),
        sources=context.sources,
    )
    return OpenOutput([context.outbox(sink)])


OUTPUT = OutputDeclaration(
    OPTIONS, NotifyOptions, open_notify, other_options=("page", "page_url", "page_cert")
)
