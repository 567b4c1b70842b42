"""The outputs of `edgeae run`.

To add an output, write a module with ``OUTPUT`` (`edgeae.runtime.outputs.declaration`) and add its
name here. Options, help, systemd unit and configuration file follow from the declaration.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from .declaration import OpenOutput, OptionValues, Output, OutputContext

# By name: a sub-folder imports this folder, and must not be imported by it.
OUTPUT_MODULES = (
    "log_file",
    "command.output",
    "webhook.output",
    "mqtt.output",
    "clips.output",
    "page.output",
    "prometheus.output",  # after all outputs on which it reports
)
Command = TypeVar("Command", bound=Callable[..., Any])


@cache
def outputs() -> tuple[Output[Any], ...]:
    """The declarations, in the order in which the outputs open."""
    return tuple(_declaration(name) for name in OUTPUT_MODULES)


def _declaration(module_name: str) -> Output[Any]:
    output = import_module(f"{__package__}.{module_name}").OUTPUT
    if not isinstance(output, Output):
        raise TypeError(f"OUTPUT of {module_name} is {output!r}, not an Output")
    return output


def output_options(command: Command) -> Command:
    """A decorator that adds the options of all outputs."""
    for output in reversed(outputs()):
        for option in reversed(output.options):
            command = option(command)
    return command


def open_outputs(values: OptionValues, context: OutputContext) -> Iterator[OpenOutput]:
    """Open the outputs that the options ask for; each knows those before it.

    An empty value, as of a variable that is not set in a shell, is refused by the output.
    """
    for output in outputs():
        opened = output.open_with(values, context)
        if opened:
            context = replace(context, opened=[*context.opened, *opened.outboxes])
            yield opened
