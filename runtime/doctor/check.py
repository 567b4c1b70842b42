"""The result of one check of `edgeae doctor`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

OK = "ok"
WARNING = "warning"
PROBLEM = "problem"

# Root of the file system; a test passes another folder.
ROOT = Path("/")


@dataclass(frozen=True)
class Check:
    """One line of the page: what was checked, its state, what was found, and what to do.

    state: `ok`; `warning` if it works with a limit, or only for now; `problem` if it does not work.
    """

    name: str
    state: str
    sentence: str
    advice: str = ""

    @classmethod
    def ok(cls, name: str, sentence: str) -> Self:
        """Return a check that found nothing wrong."""
        return cls(name, OK, sentence)

    @classmethod
    def warning(cls, name: str, sentence: str, advice: str = "") -> Self:
        """Return a check that found a limit."""
        return cls(name, WARNING, sentence, advice)

    @classmethod
    def problem(cls, name: str, sentence: str, advice: str = "") -> Self:
        """Return a check that found something that does not work."""
        return cls(name, PROBLEM, sentence, advice)


CheckFunction = Callable[[], Check | Iterable[Check]]


def run_check(name: str, function: CheckFunction) -> list[Check]:
    """Call a function that checks something; if it raises, return that as a warning."""
    try:
        result = function()
        return [result] if isinstance(result, Check) else list(result)
    except Exception as error:  # the other lines of the page are still useful
        reason = f"{type(error).__name__}: {error}"
        return [Check.warning(name, f"could not be checked ({reason})")]
