"""Declares `--on-event`: its options and how it opens."""

from dataclasses import dataclass

from ..declaration import POSITIVE, OpenOutput, OutputContext, OutputDeclaration, run_option

OPTIONS = (
    run_option(
        "--on-event",
        metavar="COMMAND",
        value_kind="program",
        help="Run this command for each event, with the line as JSON on its standard input.",
    ),
    run_option(
        "--on-event-timeout",
        default=30.0,
        show_default=True,
        type=POSITIVE,
        help="Seconds after which the command of --on-event is killed.",
    ),
)


@dataclass(frozen=True)
class CommandOptions:
    """The values of the options."""

    on_event: str | None
    on_event_timeout: float  # seconds


def open_command(options: CommandOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to a `Hook`, if there is a command."""
    if options.on_event is None:
        return None
    from .sink import Hook

    return OpenOutput([context.outbox(Hook(options.on_event, timeout=options.on_event_timeout))])


OUTPUT = OutputDeclaration(OPTIONS, CommandOptions, open_command)
