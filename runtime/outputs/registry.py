"""The list of all outputs of `edgeae run`.

To add an output, write a module that defines ``OUTPUT`` (`edgeae.runtime.outputs.declaration`) and
add its name to `OUTPUT_MODULES`. Options, help, systemd unit and configuration file follow from
the declaration.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from .declaration import OpenOutput, OptionValues, OutputContext, OutputDeclaration

# Names, because the sub-folders import this folder: importing them here would be a circle.
OUTPUT_MODULES = (
    "log.declaration",
    "command.declaration",
    "webhook.declaration",
    "mqtt.declaration",
    "notify.declaration",
    "clips.declaration",
    "page.declaration",
    "prometheus.declaration",  # after all outputs on which it reports
)
Command = TypeVar("Command", bound=Callable[..., Any])


@cache
def outputs() -> tuple[OutputDeclaration[Any], ...]:
    """The declarations, in the order in which the outputs open."""
    return tuple(_declaration(name) for name in OUTPUT_MODULES)


def _declaration(module_name: str) -> OutputDeclaration[Any]:
    output = import_module(f"{__package__}.{module_name}").OUTPUT
    if not isinstance(output, OutputDeclaration):
        raise TypeError(f"OUTPUT of {module_name} is {output!r}, not an OutputDeclaration")
    return output


def output_options(command: Command) -> Command:
    """A decorator that adds the options of all outputs."""
    for output in reversed(outputs()):
        for option in reversed(output.options):
            command = option(command)
    return command


def open_outputs(values: OptionValues, context: OutputContext) -> Iterator[OpenOutput]:
    """Open the outputs that the options request; each receives the list of those before it.

    An output refuses an empty value, such as that of an unset shell variable.
    """
    for output in outputs():
        opened = output.open_with(values, context)
        if opened:
            context = replace(context, opened=[*context.opened, *opened.outboxes])
            yield opened
