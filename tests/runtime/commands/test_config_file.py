"""`--config`: the same options in a file, as strictly checked as on the command line."""

from pathlib import Path
from typing import Any

import click
import pytest

from edgeae.runtime.commands.config_file import config_option
from edgeae.runtime.commands.run import run
from edgeae.runtime.errors import ConfigError


@click.command("listen")
@click.option("--device", "-D", multiple=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--log")
@click.option("--log-megabytes", type=click.FloatRange(min=0, min_open=True), default=10.0)
@click.option("--log-files", type=click.IntRange(2), default=5)
@click.option("--fsync", type=click.Choice(["always", "never"]), default="always")
@click.option("--webhook", envvar="TEST_CONFIG_WEBHOOK")
@config_option
def listen(**_: object) -> None:
    """A command with options of every kind."""


def parse(path: Path, text: str, *arguments: str) -> dict[str, Any]:
    """The values of the options with this configuration file."""
    path.write_text(text)
    return listen.make_context("listen", ["--config", str(path), *arguments]).params


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pump.toml"


FULL = """
device = ["hw:1", "hw:2"]
json = true
log = "lines.jsonl"
log-megabytes = 50
log-files = 3
fsync = "never"
"""


def test_the_file_sets_every_kind_of_option(path: Path) -> None:
    assert parse(path, FULL) == {
        "device": ("hw:1", "hw:2"),
        "as_json": True,
        "log": "lines.jsonl",
        "log_megabytes": 50.0,
        "log_files": 3,
        "fsync": "never",
        "webhook": None,
        "config": path,
    }


def test_the_command_line_wins(path: Path) -> None:
    values = parse(path, FULL, "--device", "hw:3", "--log-megabytes", "1")
    assert values["device"] == ("hw:3",)
    assert values["log_megabytes"] == 1.0
    assert values["log_files"] == 3


def test_the_environment_wins_over_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CONFIG_WEBHOOK", "https://secret@example.org")
    assert parse(path, 'webhook = "https://example.org"')["webhook"] == "https://secret@example.org"


def test_an_empty_file_changes_nothing(path: Path) -> None:
    assert parse(path, "")["log_megabytes"] == 10.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("log_megabytes = 1", "'log_megabytes' is not an option of edgeae listen; allowed are "),
        ('config = "other.toml"', "'config' is not an option of edgeae listen; allowed are "),
        ("[log]\nfiles = 3", "log is {'files': 3}; allowed is a string in quotes"),
        ("log = 1", "log is 1; allowed is a string in quotes"),
        ('json = "yes"', "json is 'yes'; allowed is true or false"),
        ("json = 1", "json is 1; allowed is true or false"),
        ("log-files = 3.5", "log-files is 3.5; allowed is a whole number"),
        ("log-files = true", "log-files is True; allowed is a whole number"),
        ('log-megabytes = "5"', "log-megabytes is '5'; allowed is a number"),
        ("log-megabytes = [5]", "log-megabytes is [5]; allowed is a number"),
        ('device = "hw:1"', "device is 'hw:1'; allowed is a list, each item a string in quotes"),
        ("device = [1]", "device is [1]; allowed is a list, each item a string in quotes"),
        ("log-files = 1", "log-files is 1, which is not allowed: 1 is not in the range x>=2."),
        ('fsync = "maybe"', "fsync is 'maybe', which is not allowed: 'maybe' is not one of "),
        ("log = ", "is not valid TOML ("),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence_that_names_file_and_key(
    path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(path, text)
    assert str(refusal.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refusal.value)


def test_an_unknown_key_is_answered_with_what_is_allowed(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"allowed are device, fsync, json, log, log-files, "):
        parse(path, "x = 1")


def test_a_missing_file_and_one_of_bytes_are_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\)"):
        listen.make_context("listen", ["--config", str(path)])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        listen.make_context("listen", ["--config", str(path)])


def test_every_option_of_run_can_stand_in_the_file(path: Path) -> None:
    """Each default that is not empty is a valid value of its key."""
    lines = []
    for option in run.params:
        if isinstance(option, click.Option) and option.name != "config":
            default = option.get_default(click.Context(run))
            if isinstance(default, bool | int | float | str):
                text = str(default).lower() if isinstance(default, bool) else repr(default)
                lines.append(f"{option.opts[0].removeprefix('--')} = {text}")
    assert len(lines) > 10
    path.write_text("\n".join(lines))
    context = run.make_context("run", ["--config", str(path)])
    assert context.params["log_fsync"] == "events"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('device = "rtsp://viewer:s3cr3t@cam.lan/1"', "device is 'rtsp://***'"),
        ('webhook = ["https://hooks.example/s3cr3t"]', "webhook is ['https://***']"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(path: Path, text: str, shown: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(path, text)
    assert f"{shown}; allowed is" in str(refusal.value)
    assert "s3cr3t" not in str(refusal.value)
