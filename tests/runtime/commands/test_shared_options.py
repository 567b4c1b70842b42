"""Options shared by several commands."""

import click
import pytest
from click.testing import CliRunner

from edgeae.runtime.commands.shared_options import budget_of, budget_options, wait_device_option
from edgeae.runtime.errors import ConfigError


@click.command()
@wait_device_option
def capture(wait_device: float) -> None:
    click.echo(wait_device)


@pytest.mark.parametrize(("arguments", "seconds"), [([], "0.0"), (["--wait-device", "2.5"], "2.5")])
def test_a_command_waits_only_if_it_is_told_how_long(arguments: list[str], seconds: str) -> None:
    assert CliRunner().invoke(capture, arguments).output == f"{seconds}\n"


def test_a_time_before_now_is_refused() -> None:
    result = CliRunner().invoke(capture, ["--wait-device", "-1"])
    assert result.exit_code == 2
    assert "--wait-device" in result.output


@click.command()
@budget_options("Budget.")
def with_budget(false_alarms: str | None, sensitivity: str | None) -> None:
    click.echo(budget_of(false_alarms, sensitivity))


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [
        ([], ""),
        (["--false-alarms", "2/day"], "2/day"),
        (["--sensitivity", "low"], "1/month"),
        (["--sensitivity", "normal"], "1/week"),
        (["--sensitivity", "high"], "1/day"),
    ],
)
def test_a_sensitivity_is_a_budget(arguments: list[str], budget: str) -> None:
    assert CliRunner().invoke(with_budget, arguments).output == f"{budget}\n"


def test_a_budget_and_a_sensitivity_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="means --false-alarms 1/day; give one of the two"):
        budget_of("1/day", "high")
