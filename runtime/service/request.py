"""What the arguments of `edgeae run` need from the system: folders, programs, peers.

What an option is to the system stands in OPTIONS, and nowhere else.
"""

import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .unit import ANYBODY, LOCALHOST, peer

# option of `run`: what its value is
OPTIONS = {
    "track": "file",
    "log": "file",
    "metrics_file": "file",
    "clips": "folder",
    "webhook_spool": "folder",
    "mqtt": "url",
    "webhook": "url",
    "mqtt_ca": "input",
    "metrics": "address",
    "page": "address",
    "on_event": "program",
}
KEEPERS = (
    "log",
    "mqtt",
    "webhook",
)  # with one of these, nobody needs a line a second in the journal

_PASSWORD = re.compile(
    r"//[^/@]*:[^/@]*@|^https?://[^/@]*@"
)  # of a URL; of a webhook the user may be a token
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of services


@dataclass(frozen=True)
class Request:
    """The arguments of `run` and what they mean."""

    arguments: Sequence[str]
    values: dict[str, Any]

    @classmethod
    def parse(cls, arguments: Sequence[str], command: click.Command) -> "Request":
        """As ``command`` itself does; click.UsageError if it refuses them."""
        return cls(
            arguments, command.make_context(f"edgeae {command.name}", list(arguments)).params
        )

    def given(self, *kinds: str) -> Iterator[tuple[str, str]]:
        """Option and value of each that was given of these kinds."""
        for name, kind in OPTIONS.items():
            value = self.values.get(name)
            for one in value if isinstance(value, tuple | list) else [value]:
                if kind in kinds and one is not None:
                    yield f"--{name.replace('_', '-')}", str(one)

    def writable(self, state: Path, user: str | None) -> Iterator[Path]:
        """The folders outside of the state folder that are written to."""
        for option, value in [*self.given("file"), *self.given("folder")]:
            path = Path(os.path.normpath(state / value))
            folder = path.parent if (option, value) in self.given("file") else path
            if folder.is_relative_to(state):
                continue
            if not folder.is_dir():
                raise ConfigError(f"{option} {value}: there is no folder {folder}; create it first")
            if not user and not folder.stat().st_mode & stat.S_IWOTH:
                raise ConfigError(
                    f"{option} {value}: a service of its own user may not write to {folder}; "
                    f"give --user, or a name without folder, which is then in {state}"
                )
            yield folder

    def peers(self) -> Iterator[str]:
        """Who is talked to. One who listens for others than this computer talks to anybody."""
        for option, value in self.given("url"):
            if _PASSWORD.search(value):
                raise ConfigError(
                    f"{option}: everybody can read a password in a unit; leave it out of the URL "
                    f"and put it in /etc/edgeae/, in the file that the unit names"
                )
            yield peer(value)
        for _, value in self.given("address"):
            yield LOCALHOST if peer(value) == LOCALHOST else ANYBODY

    def inputs(self) -> Iterator[Path]:
        """The files that are read beside artifacts: of the user's programs those that the command names."""
        yield from (Path(value).absolute() for _, value in self.given("input"))
        for option, value in self.given("program"):
            program, *others = _words(value) or [""]
            relative = "/" in program and not program.startswith("/")
            if relative or not shutil.which(program, path=_PATH):
                raise ConfigError(
                    f"{option} {value}: {program} is no program; give its absolute path or a name in {_PATH}"
                )
            yield from (
                Path(word)
                for word in (program, *others)
                if word.startswith("/") and Path(word).exists()
            )


def _words(command: str) -> list[str]:
    """A command as a shell would split it; empty if it cannot be."""
    try:
        return shlex.split(command)
    except ValueError:
        return []
