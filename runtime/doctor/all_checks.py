"""The list of all checks of `edgeae doctor`; runs them and masks what is private."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..capture.cards import list_cards
from ..errors import ArtifactError
from ..model.find import default_model
from ..system.progress import Step, counted, no_step
from . import artifact, computer, devices, installation, system
from .check import Check, CheckFunction, run_check
from .masking import masked


@dataclass(frozen=True)
class NamedCheck:
    """A check that can be run, and its name on the page if it fails."""

    name: str
    function: CheckFunction


def all_checks(model: Path | None, device: str | None) -> list[NamedCheck]:
    """Return the checks in the order of the page.

    model: the artifact to check; the default one if None.
    device: the capture device that has to work, if any.
    """
    return [
        NamedCheck("edgeae", installation.check_python),
        NamedCheck("packages", installation.check_packages),
        NamedCheck("optional", installation.check_optional_packages),
        NamedCheck("libraries", installation.check_libraries),
        NamedCheck("environment", lambda: installation.check_environment(os.environ)),
        NamedCheck("computer", computer.check_computer),
        NamedCheck("system", system.check_system),
        NamedCheck("processor", computer.check_processor),
        NamedCheck("cores", computer.check_cores),
        NamedCheck("memory", computer.check_memory),
        NamedCheck("temperature", computer.check_temperature),
        NamedCheck("power", computer.check_power),
        NamedCheck("clock", system.check_own_clock),
        NamedCheck("disk", lambda: map(system.check_disk, _folders(model))),
        NamedCheck("limits", system.check_limits),
        NamedCheck("service", lambda: system.check_service(os.environ)),
        NamedCheck("user", system.check_user),
        NamedCheck("artifact", lambda: artifact.check_artifact(model)),
        NamedCheck("devices", lambda: devices.check_devices(device)),
    ]


def _folders(model: Path | None) -> list[Path]:
    """The current folder, and the folder of the artifact if it is another one."""
    here = Path.cwd()
    try:
        folder = (model or default_model()).absolute().parent
    except ArtifactError:
        return [here]
    if folder.is_dir() and folder.resolve() != here:
        return [here, folder]
    return [here]


def run_checks(
    checks: Sequence[NamedCheck], serials: Iterable[str] = (), step: Step = no_step
) -> list[Check]:
    """Run checks and return their results, masked.

    checks: from `all_checks`.
    serials: serial numbers to mask, beside those of the sound cards of this computer.
    step: called before each check, to show the progress.
    """
    own_serials = [card.usb.serial for card in list_cards() if card.usb]
    all_serials = [*serials, *own_serials]
    home = _home()
    host = platform.node()

    def mask(text: str) -> str:
        return masked(text, home=home, host=host, serials=all_serials)

    results: list[Check] = []
    for check in counted(checks, "check", step):
        results += run_check(check.name, check.function)
    return [
        replace(result, sentence=mask(result.sentence), advice=mask(result.advice))
        for result in results
    ]


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user without a home folder, as in containers
        return ""


def serial_of(device: str | None) -> list[str]:
    """Return the serial number in the name of a device, usb:VID:PID:SERIAL, if it has one."""
    return (device or "").split(":", 3)[3:]
