"""Opens an output from the arguments of `edgeae run`, for tests of declarations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from edgeae.runtime.outputs.declaration import (
    OpenOutput,
    OutputContext,
    OutputDeclaration,
    RunOption,
)


def options_of(output: OutputDeclaration[Any]) -> dict[str, RunOption]:
    """The options that the declaration adds, by parameter name."""
    command = click.Command("run")
    for option in output.options:
        command = option(command)
    return {str(option.name): option for option in command.params if isinstance(option, RunOption)}


@contextmanager
def opened_output(
    output: OutputDeclaration[Any], *arguments: str, live: bool = True
) -> Iterator[OpenOutput | None]:
    """What the declaration opens for these arguments; it is closed at the end."""
    command = click.Command("run", params=[*options_of(output).values()])
    values = command.make_context("run", list(arguments)).params
    opened = output.open_with(values, OutputContext(live))
    try:
        yield opened
    finally:
        if opened:
            for outbox in opened.outboxes:
                outbox.close()
            if opened.close:
                opened.close()


def sink_names(opened: OpenOutput | None) -> list[str]:
    """The names of the sinks of an open output; none if it was not requested."""
    return [outbox.sink.name for outbox in opened.outboxes] if opened else []
