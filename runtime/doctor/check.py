"""One line of `edgeae doctor`: what was looked at, how it is, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

OK, WARNING, PROBLEM = "ok", "warning", "problem"
ROOT = Path("/")


@dataclass(frozen=True)
class Check:
    """`state` is `ok`, `warning` (it works, for now or with a limit) or `problem` (it does not)."""

    name: str
    state: str
    sentence: str
    advice: str = ""


def tried(name: str, look: Callable[[], Check | Iterable[Check]]) -> list[Check]:
    """What a look finds; a look that fails is a line as well."""
    try:
        found = look()
        return [found] if isinstance(found, Check) else list(found)
    except Exception as error:  # a page with one line less is worth more than none
        return [Check(name, WARNING, f"could not be checked ({type(error).__name__}: {error})")]
