"""Options shared by the commands that capture."""

import click
import pytest
from click.testing import CliRunner

from edgeae.runtime.commands.shared_options import wait_device_option


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
