"""What the arguments of `edgeae run` need from the system: folders, programs, peers.

Each option says itself what its value is, see `edgeae.runtime.outputs.declaration.RunOption`.
"""

import re
import shlex
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..capture.stream_address import NAMES_OF_SECRETS
from ..errors import ConfigError
from ..outputs.declaration import RunOption, ValueKind
from ..system.files import absolute
from .unit import ANYBODY, LOCALHOST, Credential, peer

# In a URL; of a webhook the user may be a token. A password may hold a / that is not encoded.
_PASSWORD = re.compile(
    rf"//[^@]*:[^@]*@|^https?://.*@|[?&](?:{'|'.join(sorted(NAMES_OF_SECRETS))})=", re.IGNORECASE
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of services


@dataclass(frozen=True)
class GivenValue:
    """A value of an option."""

    option: str  # as it is written, such as --log
    text: str
    from_config: bool  # and not from the command line


@dataclass(frozen=True)
class Request:
    """The arguments of `edgeae run` and what they mean."""

    arguments: Sequence[str]
    values: dict[str, Any]  # by parameter name
    options: Sequence[RunOption]
    config_names: frozenset[str]  # parameters whose value stands in the configuration file

    @classmethod
    def parse(cls, arguments: Sequence[str], command: click.Command) -> "Request":
        """Parse them as ``command`` itself does.

        click.UsageError or ConfigError if it refuses them.
        """
        context = command.make_context(f"edgeae {command.name}", list(arguments))
        config_names = frozenset(
            name
            for name in context.params
            if context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        )
        options = [option for option in command.params if isinstance(option, RunOption)]
        return cls(arguments, context.params, options, config_names)

    def given(self, *kinds: ValueKind) -> Iterator[GivenValue]:
        """The values of all options of these kinds that were given."""
        for option in self.options:
            value = self.values.get(option.name or "")
            if option.value_kind not in kinds or value is None:
                continue
            values = value if isinstance(value, tuple | list) else [value]
            for one in values:
                yield GivenValue(option.opts[0], str(one), option.name in self.config_names)

    @property
    def keeps_lines(self) -> bool:
        """An output keeps the lines, so nobody needs them in the journal."""
        return any(
            option.keeps_lines and self.values.get(option.name or "") for option in self.options
        )

    def absolute_arguments(self) -> list[str]:
        """The arguments, with each input file by its absolute path, and without secret files.

        A service gets the secret files as `credentials`.
        """
        paths = {
            (value.option, value.text): str(absolute(value.text))
            for value in self.given("input-file")
            if not value.from_config
        }
        arguments = list(self.arguments)
        for (option, text), path in paths.items():
            for index, argument in enumerate(arguments):
                if argument == f"{option}={text}":
                    arguments[index] = f"{option}={path}"
                elif argument == text and index and arguments[index - 1] == option:
                    arguments[index] = path
        for value in self.given("secret-file"):
            if not value.from_config:
                arguments = _without(arguments, value.option)
        return arguments

    def credentials(self) -> Iterator[Credential]:
        """The secret files, which systemd reads as root; ConfigError for one that is not there."""
        for value in self.given("secret-file"):
            path = self._absolute(value)
            if not path.is_file():
                raise ConfigError(f"{value.option} {path}: there is no such file; create it first")
            if not str(path).isprintable():
                raise ConfigError(f"{value.option} {str(path)!a}: systemd cannot read; rename it")
            name = value.option.removeprefix("--")
            yield Credential(name, self._variable(value.option), path)

    def writable(self, state: Path, user: str | None) -> Iterator[Path]:
        """The folders outside of the state folder that are written to."""
        files = [(value, True) for value in self.given("output-file", "public-file")]
        folders = [(value, False) for value in self.given("output-folder")]
        for value, is_file in files + folders:
            path = absolute(state / value.text)
            folder = path.parent if is_file else path
            if folder.is_relative_to(state):
                continue
            if not folder.is_dir():
                raise ConfigError(
                    f"{value.option} {value.text}: there is no folder {folder}; create it first"
                )
            if not user and not folder.stat().st_mode & stat.S_IWOTH:
                raise ConfigError(
                    f"{value.option} {value.text}: a service of its own user may not write "
                    f"to {folder}; give --user, or a name without folder, which is then in {state}"
                )
            yield folder

    def peers(self) -> Iterator[str]:
        """Who is connected to. A port that is open to other computers may be reached by anybody."""
        for url in self.given("url"):
            if _PASSWORD.search(url.text):
                raise ConfigError(
                    f"{url.option}: everybody can read a password in a unit; "
                    f"leave it out of the URL "
                    f"and put it in /etc/edgeae/, in the file that the unit names"
                )
            yield peer(url.text)
        for address in self.given("address"):
            yield LOCALHOST if peer(address.text) == LOCALHOST else ANYBODY
        if any(option.needs_network and self.values[str(option.name)] for option in self.options):
            yield ANYBODY

    def inputs(self) -> Iterator[Path]:
        """The files that are read, artifacts apart: of a program, those that its command names."""
        for value in self.given("input-file"):
            yield self._absolute(value)
        for value in self.given("program"):
            yield from _program_files(value)

    def _variable(self, name: str) -> str:
        """The environment variable that stands for an option."""
        [option] = [option for option in self.options if name in option.opts]
        if not isinstance(option.envvar, str):
            raise TypeError(f"{name} names a secret file and has no environment variable")
        return option.envvar

    @staticmethod
    def _absolute(value: GivenValue) -> Path:
        """The absolute path of a file that is read."""
        if value.from_config and not Path(value.text).is_absolute():
            raise ConfigError(
                f"{value.option[2:]} = {value.text!r} in the configuration file: "
                f"a service runs in another folder; give the absolute path"
            )
        return absolute(value.text)


def _without(arguments: Sequence[str], option: str) -> list[str]:
    """The arguments without an option and its value."""
    kept = []
    skips_value = False
    for argument in arguments:
        if skips_value:
            skips_value = False
        elif argument == option:
            skips_value = True
        elif not argument.startswith(f"{option}="):
            kept.append(argument)
    return kept


def _program_files(value: GivenValue) -> Iterator[Path]:
    """The files that a command names by absolute path; ConfigError if a service cannot find it."""
    program, *others = _words(value.text) or [""]
    is_relative = "/" in program and not program.startswith("/")
    if is_relative or not shutil.which(program, path=_PATH):
        raise ConfigError(
            f"{value.option} {value.text}: {program} is no program; "
            f"give its absolute path or a name in {_PATH}"
        )
    for word in (program, *others):
        if word.startswith("/") and Path(word).exists():
            yield absolute(word)


def _words(command: str) -> list[str]:
    """A command as a shell would split it; empty if it cannot be."""
    try:
        return shlex.split(command)
    except ValueError:
        return []
