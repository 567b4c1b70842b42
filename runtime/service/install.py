"""Writes a unit and starts it; whatever fails, the computer is afterwards as it was before."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from ..system.files import replace_file
from .unit import Unit, machines_of

UNIT_MODE = 0o644  # everybody may read units; there is no secret in them


def install(unit: Unit, folder: Path) -> None:
    """Write the unit to ``folder`` and let systemd start it, now and at every boot.

    ConfigError if that fails, or if a service of this name listens to another machine. Then the
    unit that was there before, if any, is there again.
    """
    file = folder / f"{unit.name}.service"
    if os.geteuid() != 0:
        raise ConfigError(
            f"{file} is written by root alone; run sudo {shlex.quote(unit.command[0])} service ..."
        )
    try:
        previous = _previous(file, unit)
        replace_file(file, unit.text().encode(), mode=UNIT_MODE)
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be written ({error.strerror}); is this computer run by systemd?"
        ) from error
    was_enabled = previous is not None and _succeeds(["is-enabled", "--quiet", file.name])
    try:
        # restart also starts a service that does not run.
        for command in (["daemon-reload"], ["enable", file.name], ["restart", file.name]):
            _systemctl(command)
    except BaseException:
        _roll_back(file, previous, was_enabled=was_enabled)
        raise


def _previous(file: Path, unit: Unit) -> bytes | None:
    """The unit that is there; ConfigError if it listens to another machine."""
    try:
        previous = file.read_bytes()
    except FileNotFoundError:
        return None
    others = machines_of(previous.decode(errors="replace"))
    if others and unit.machines and set(others) != set(unit.machines):
        raise ConfigError(
            f"{file}: listens to {', '.join(others)}, and not to {', '.join(unit.machines)}; "
            f"give another name with --name, or remove that service first: "
            f"systemctl disable --now {file.stem} && rm {shlex.quote(str(file))}"
        )
    return previous


def _roll_back(file: Path, previous: bytes | None, *, was_enabled: bool) -> None:
    """Put the previous unit back, or none. Nothing that fails here hides the first failure."""
    if not was_enabled:
        _succeeds(["disable", file.name])
    with suppress(OSError):
        if previous is None:
            _succeeds(["stop", file.name])
            file.unlink(missing_ok=True)
        else:
            replace_file(file, previous, mode=UNIT_MODE)
    _succeeds(["daemon-reload"])
    if previous is None:
        _succeeds(["reset-failed", file.name])
    elif was_enabled:
        _succeeds(["restart", file.name])


def _systemctl(command: Sequence[str]) -> None:
    """ConfigError with the reason if systemctl fails."""
    try:
        subprocess.run(["systemctl", *command], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ConfigError("there is no systemctl; this computer is not run by systemd") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise ConfigError(
            f"systemctl {shlex.join(command)} failed ({reason}); fix that and run this again: "
            f"nothing was installed"
        ) from error


def _succeeds(command: Sequence[str]) -> bool:
    with suppress(ConfigError):
        _systemctl(command)
        return True
    return False
