"""A point to know of a data set, or to mend in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .recording_stats import Facts

NAMED = 5  # files that a sentence names

Together = tuple[str, ...]  # one file, or copies of each other


@dataclass(frozen=True)
class Finding:
    """What is the case with which files, and what to do."""

    kind: str  # of `KINDS` of the checks
    what: str
    advice: str
    files: tuple[Together, ...] = ()  # none where the point is one of the whole data set
    hinders: bool = True  # to be mended before training; else worth knowing

    def sentence(self) -> str:
        """The point in one sentence, which names the first files."""
        return f"{', '.join(self.named())}{': ' * bool(self.files)}{self.what}; {self.advice}"

    def named(self) -> list[str]:
        """The first files, and how many more there are."""
        names = [" = ".join(together) for together in self.files[:NAMED]]
        return [*names, f"{len(self.files) - NAMED} more"] if len(self.files) > NAMED else names


def point(kind: str, what: str, advice: str, facts: Iterable[Facts]) -> Iterator[Finding]:
    """The finding, if it concerns any recording."""
    files = tuple((fact.file,) for fact in facts)
    if files:
        yield Finding(kind, what, advice, files)


def point_of_copies(
    kind: str, what: str, advice: str, groups: Iterable[Sequence[Facts]], *, hinders: bool = True
) -> Iterator[Finding]:
    """The finding, if it concerns any group of copies."""
    files = tuple(tuple(fact.file for fact in group) for group in groups)
    if files:
        yield Finding(kind, what, advice, files, hinders)
