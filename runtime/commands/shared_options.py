"""Options shared by several commands."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..errors import ConfigError

SENSITIVITIES = {"low": "1/month", "normal": "1/week", "high": "1/day"}

Command = TypeVar("Command", bound=Callable[..., Any])

wait_device_option = click.option(
    "--wait-device",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait at the start for a device that is missing or busy.",
)

recursive_option = click.option(
    "--recursive",
    is_flag=True,
    help="Read also the recordings in the sub-folders of a folder.",
)


def budget_options(text: str) -> Callable[[Command], Command]:
    """A decorator that adds ``--false-alarms`` and ``--sensitivity``, see `budget_of`.

    text: the help of the first.
    """
    budgets = ", ".join(SENSITIVITIES.values())

    def add(command: Command) -> Command:
        command = click.option(
            "--sensitivity",
            type=click.Choice(list(SENSITIVITIES)),
            help=f"Budget of false alarms in words, for {budgets}.",
        )(command)
        return click.option("--false-alarms", metavar="BUDGET", help=text)(command)

    return add


def budget_of(false_alarms: str | None, sensitivity: str | None) -> str | None:
    """The budget of false alarms that the two options request; ConfigError for both."""
    if sensitivity is None:
        return false_alarms
    budget = SENSITIVITIES[sensitivity]
    if false_alarms is not None:
        raise ConfigError(
            f"--sensitivity {sensitivity} means --false-alarms {budget}; give one of the two"
        )
    return budget
