"""`--config FILE.toml`: the options of a command in a file.

    device = ["hw:1"]          a list for an option that can be repeated
    log = "lines.jsonl"        a string for a name, a path or an address
    log-megabytes = 50         a key is the long option without its dashes at the front
    json = true                a flag

The command line wins over the environment, and that over the file. Values are checked as those of
the command line are; relative paths start from the folder in which the command runs.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import ConfigError
from ..outputs.declaration import RunOption
from ..system.files import read_start

NAME = "config"
MAX_BYTES = 1 << 20  # of the file
Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """A decorator that adds ``--config``."""
    return click.option(
        f"--{NAME}",
        cls=RunOption,
        value_kind="input-file",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,  # before all options, whose defaults it sets
        callback=_set_defaults,
        metavar="FILE.toml",
        help="Read options from this TOML file; a key is a long option, as log-megabytes = 50. "
        "Options on the command line win.",
    )(command)


def read_config(path: Path, context: click.Context) -> dict[str, Any]:
    """The values in the file, by parameter name, each valid for its option; else ConfigError."""
    values = {}
    options = _options_by_key(context.command)
    for key, value in _read_toml(path).items():
        if key not in options:
            raise ConfigError(
                f"{path}: {key!r} is not an option of edgeae {context.command.name}; "
                f"allowed are {', '.join(sorted(options))}"
            )
        option = options[key]
        _check(path, key, value, option, context)
        values[str(option.name)] = value
    return values


def _set_defaults(
    context: click.Context, option: click.Parameter, path: Path | None
) -> Path | None:
    if path is not None and not context.resilient_parsing:
        context.default_map = {**(context.default_map or {}), **read_config(path, context)}
    return path


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(read_start(path, MAX_BYTES).decode("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name a TOML file for --{NAME}"
        ) from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are some
        raise ConfigError(f"{path}: is not valid TOML ({error}); correct it") from error


def _options_by_key(command: click.Command) -> dict[str, click.Option]:
    options = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name != NAME:
            flags = [flag for flag in option.opts if flag.startswith("--")]
            options[flags[0].removeprefix("--")] = option
    return options


def _check(path: Path, key: str, value: Any, option: click.Option, context: click.Context) -> None:
    """ConfigError unless the value has the option's type and its limits allow it."""
    values = value if option.multiple and isinstance(value, list) else [value]
    wrong_shape = option.multiple and not isinstance(value, list)
    if wrong_shape or not all(_has_type(item, option) for item in values):
        shown = _without_secrets(value)
        raise ConfigError(f"{path}: {key} is {shown!r}; allowed is {_expected(option)}")
    if option.is_flag:
        return
    try:
        option.type_cast_value(context, value)
    except click.BadParameter as error:
        raise ConfigError(
            f"{path}: {key} is {value!r}, which is not allowed: {error.message}"
        ) from error


def _without_secrets(value: object) -> object:
    """A value of TOML, whose addresses may hold passwords and tokens, also in their paths."""
    if isinstance(value, str):
        scheme, separator, _ = value.partition("://")
        return f"{scheme}://***" if separator else value
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    return value


def _has_type(value: Any, option: click.Option) -> bool:
    if isinstance(value, bool) or option.is_flag:
        return isinstance(value, bool) and option.is_flag
    if isinstance(option.type, click.types.IntParamType):
        return isinstance(value, int)
    if isinstance(option.type, click.types.FloatParamType):
        return isinstance(value, int | float)
    return isinstance(value, str)


def _expected(option: click.Option) -> str:
    """What a value may be, in words."""
    if option.is_flag:
        return "true or false"
    if isinstance(option.type, click.types.IntParamType):
        word = "whole number"
    elif isinstance(option.type, click.types.FloatParamType):
        word = "number"
    else:
        word = "string in quotes"
    return f"a list, each item a {word}" if option.multiple else f"a {word}"
