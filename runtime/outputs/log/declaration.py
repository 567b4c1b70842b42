"""Declares `--log`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

import click

from ..declaration import FILE, POSITIVE, OpenOutput, OutputContext, OutputDeclaration, run_option
from .sink import LogFile, Sync

OPTIONS = (
    run_option(
        "--log",
        type=FILE,
        value_kind="output-file",
        keeps_lines=True,
        help="Append all lines to this FILE.jsonl, which is rotated.",
    ),
    run_option(
        "--log-megabytes",
        default=10.0,
        show_default=True,
        type=POSITIVE,
        help="Maximum size of one log file, MB.",
    ),
    run_option(
        "--log-files",
        default=5,
        show_default=True,
        type=click.IntRange(2),
        help="Maximum number of log files, including rotated ones.",
    ),
    run_option(
        "--log-fsync",
        default="events",
        show_default=True,
        type=click.Choice(["always", "events", "never"]),
        help="Which lines are written to the disk at once, so that a power cut cannot remove them: "
        "all, all except scores, or none.",
    ),
)


@dataclass(frozen=True)
class LogOptions:
    """The values of the options."""

    log: Path | None
    log_megabytes: float
    log_files: int
    log_fsync: Sync


def open_log(options: LogOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to a `LogFile`, if there is a path."""
    if not options.log:
        return None
    sink = LogFile(
        options.log,
        megabytes=options.log_megabytes,
        files=options.log_files,
        fsync=options.log_fsync,
    )
    return OpenOutput([context.outbox(sink)])


OUTPUT = OutputDeclaration(OPTIONS, LogOptions, open_log)
