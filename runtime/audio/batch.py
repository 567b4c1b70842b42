"""Reading many recordings, with those that cannot be read reported or left out."""

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
    """Read many recordings; each bad one is reported, and fails the whole unless ``skip_bad``."""
    good, bad = [], 0
    for item in items:
        try:
            good.append((item, read(item)))
        except AudioError as error:
            report(str(error))
            bad += 1
    if bad and not skip_bad:
        raise AudioError(
            f"{bad} of {bad + len(good)} recordings cannot be used (named above); "
            f"repair or remove them, or pass --skip-bad"
        )
    if not good:
        raise AudioError("no recording could be read")
    return good
