"""The same sound under two names: in a data set, what it means and what to do."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from .findings import Finding, point_of_copies
from .fingerprint import copies
from .recording_stats import Facts

SAME, NEAR = "the same sound", "nearly the same sound (copies, or the same background mixed in)"

Group = list[Facts]  # two recordings or more


@dataclass(frozen=True)
class Copies:
    """Groups of recordings with the same samples, and of those that only sound alike."""

    same: list[Group]
    near: list[Group]  # of recordings that are the same, one stands for all

    @classmethod
    def among(cls, facts: Sequence[Facts]) -> Self:
        """All copies; of silence, everything would be one."""
        by_content = defaultdict(list)
        for fact in facts:
            by_content[fact.sha256].append(fact)
        unlike = [group[0] for group in by_content.values()]
        prints = [bytes.fromhex(fact.fingerprint) if fact.fingerprint else None for fact in unlike]
        same = [group for group in by_content.values() if len(group) > 1]
        return cls(same, [[unlike[i] for i in group] for group in copies(prints)])

    def contradictions(self) -> Iterator[Finding]:
        """The same as another thing."""
        torn = [
            group for group in self.same if len({(fact.label, fact.machine) for fact in group}) > 1
        ]
        yield from point_of_copies(
            "labels", f"{SAME} under two labels or machines", "find out which name is right", torn
        )

    def leaks(self) -> Iterator[Finding]:
        """In training and test."""
        advice = "training recordings must not be tested on, remove them from test/"
        same, near = filter(_leaked, self.same), filter(_leaked, self.near)
        yield from point_of_copies("leakage", f"{SAME} in train/ and test/", advice, same)
        yield from point_of_copies(
            "near leakage", f"{NEAR} in train/ and test/", f"listen: {advice}", near
        )

    def repetitions(self) -> Iterator[Finding]:
        """More than once in training or test."""
        advice = "keep one: a copy counts as evidence and is none"
        same, near = (
            [group for group in groups if not _leaked(group)] for groups in (self.same, self.near)
        )
        yield from point_of_copies("copies", f"{SAME} more than once", advice, same)
        yield from point_of_copies(
            "near copies", f"{NEAR} more than once", advice, near, hinders=False
        )


def _leaked(group: Group) -> bool:
    return len({fact.split for fact in group}) > 1
