"""The page and the exit code of `edgeae doctor`, from the results of the checks."""

import textwrap
from collections.abc import Iterable, Sequence

from ..errors import ArtifactError, ConfigError, DeviceError
from .check import PROBLEM, WARNING, Check
from .devices import NAMED

MAX_COLUMNS = 80
TEXT_INDENT = 21  # columns, for the state and the name of a check


def exit_code(checks: Iterable[Check]) -> int:
    """Return the exit code of `edgeae doctor`.

    A problem of the artifact decides, else one of the named device, else any other.
    """
    problems = {check.name for check in checks if check.state == PROBLEM}
    if "artifact" in problems:
        return ArtifactError.exit_code
    if NAMED in problems:
        return DeviceError.exit_code
    return ConfigError.exit_code if problems else 0


def page_lines(checks: Sequence[Check]) -> list[str]:
    """Return the page, in lines of 80 columns."""
    lines: list[str] = []
    for check in checks:
        lines += _check_lines(check)
    n_problems = sum(check.state == PROBLEM for check in checks)
    n_warnings = sum(check.state == WARNING for check in checks)
    lines.append(f"problems: {n_problems}, warnings: {n_warnings}, of {len(checks)} checks")
    return lines


def _check_lines(check: Check) -> list[str]:
    blank = " " * TEXT_INDENT
    head = f"{check.state:8} {check.name:11} "
    sentence = textwrap.wrap(
        check.sentence,
        MAX_COLUMNS,
        initial_indent=head,
        subsequent_indent=blank,
        break_on_hyphens=False,
    )
    advice = textwrap.wrap(
        check.advice,
        MAX_COLUMNS,
        initial_indent=f"{blank}-> ",
        subsequent_indent=f"{blank}   ",
    )
    return [*(sentence or [head.rstrip()]), *advice]
