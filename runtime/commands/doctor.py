"""`edgeae doctor`: one page on this computer that can be pasted into a report."""

import json
import os
import platform
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import click

from ..capture.cards import list_cards
from ..doctor import computer, installation, readiness, system
from ..doctor.check import PROBLEM, WARNING, Check, tried
from ..doctor.masking import page
from ..errors import ArtifactError, DeviceError
from ..model.find import default_model
from ..system.progress import Progress, Step, counted, no_step

COLUMNS = 80
Look = tuple[str, Callable[[], Check | Iterable[Check]]]


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--device", "-D", help="The capture device that has to work; see `edgeae devices`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(model: Path | None, device: str | None, as_json: bool) -> int:
    """Check this computer, the artifact and the microphones; one page for a report.

    Every line is ok, a warning or a problem. Secrets, serial numbers, the names of the computer and of the home
    folder are masked. Exit code: 0 without a problem, 3 if the artifact has one, 4 if the device that was named
    has one, 2 for others.

    \b
    Example:
      edgeae doctor
      edgeae doctor pump-3.onnx --device usb:0d8c:013c
    """
    with Progress() as progress:
        checks = examine(looks(model, device), (device or "").split(":", 3)[3:], progress.step)
    click.echo(
        json.dumps({"checks": list(map(asdict, checks))}) if as_json else "\n".join(written(checks))
    )
    return exit_code(checks)


def looks(model: Path | None, device: str | None) -> list[Look]:
    """What is looked at, in the order of the page."""
    return [
        ("edgeae", installation.python),
        ("packages", installation.packages),
        ("optional", installation.optional),
        ("libraries", installation.libraries),
        ("environment", lambda: installation.environment(os.environ)),
        ("computer", computer.computer),
        ("system", system.system),
        ("processor", computer.processor),
        ("cores", computer.cores),
        ("memory", computer.memory),
        ("temperature", computer.temperature),
        ("power", computer.power),
        ("clock", system.clock_here),
        ("disk", lambda: map(system.disk, _places(model))),
        ("limits", system.limits),
        ("service", lambda: system.service(os.environ)),
        ("user", system.user),
        ("artifact", lambda: readiness.artifact(model)),
        ("devices", lambda: readiness.devices(device)),
    ]


def _places(model: Path | None) -> list[Path]:
    """The current folder, and that of the artifact where it is another one."""
    here = Path.cwd()
    try:
        folder = (model or default_model()).absolute().parent
    except ArtifactError:
        return [here]
    return [here, folder] if folder.is_dir() and folder.resolve() != here else [here]


def examine(looked: list[Look], serials: Iterable[str] = (), step: Step = no_step) -> list[Check]:
    """What the looks find, masked; `serials` are those that no device here has."""
    serials = [*serials, *(card.usb.serial for card in list_cards() if card.usb)]
    home, host = _home(), platform.node()

    def masked(words: str) -> str:
        return page(words, home=home, host=host, serials=serials)

    found = [check for name, look in counted(looked, "check", step) for check in tried(name, look)]
    return [
        replace(check, sentence=masked(check.sentence), advice=masked(check.advice))
        for check in found
    ]


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user without a home folder, as in containers
        return ""


def exit_code(checks: list[Check]) -> int:
    """Of the first of: the artifact, the named device, anything else that has a problem."""
    problems = {check.name for check in checks if check.state == PROBLEM}
    if "artifact" in problems:
        return ArtifactError.exit_code
    if "device" in problems:
        return DeviceError.exit_code
    return 2 if problems else 0


def written(checks: list[Check]) -> list[str]:
    """The page, in lines of 80 columns."""
    lines = [line for check in checks for line in _lines(check)]
    counts = [sum(check.state == state for check in checks) for state in (PROBLEM, WARNING)]
    return [*lines, f"problems: {counts[0]}, warnings: {counts[1]}, of {len(checks)} checks"]


def _lines(check: Check) -> list[str]:
    blank = " " * 21
    head = f"{check.state:8} {check.name:11} "
    lines = textwrap.wrap(
        check.sentence,
        COLUMNS,
        initial_indent=head,
        subsequent_indent=blank,
        break_on_hyphens=False,
    )
    arrow = f"{blank}-> "
    advice = textwrap.wrap(
        check.advice, COLUMNS, initial_indent=arrow, subsequent_indent=blank + "   "
    )
    return (lines or [head.rstrip()]) + advice
