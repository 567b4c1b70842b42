"""Reading many recordings: those that cannot be read are reported, and skipped or refused."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..errors import AudioError

T = TypeVar("T")
R = TypeVar("R")


def read_each(
    items: Iterable[T],
    read: Callable[[T], R],
    report: Callable[[str], None],
    *,
    skip_bad: bool = False,
) -> list[tuple[T, R]]:
    """Read each item; returns the items that can be read, with what was read.

    items: recordings, or whatever ``read`` takes.
    read: raises AudioError for an item that cannot be read.
    report: is called with the message of each error.
    skip_bad: leave such items out; without it, they raise one AudioError at the end.
    """
    good: list[tuple[T, R]] = []
    n_bad = 0
    for item in items:
        try:
            good.append((item, read(item)))
        except AudioError as error:
            report(str(error))
            n_bad += 1
    if n_bad and not skip_bad:
        raise AudioError(
            f"{n_bad} of {n_bad + len(good)} recordings cannot be used (named above); "
            f"repair or remove them, or pass --skip-bad"
        )
    if not good:
        raise AudioError("no recording could be read; give recordings of sound")
    return good
