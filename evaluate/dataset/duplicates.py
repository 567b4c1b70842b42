"""The same sound in several files: which files, what it means, and what to do."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from .findings import Finding, finding_about_copies
from .fingerprint import similar_groups
from .recording_stats import RecordingStats

SAME_SOUND = "the same sound"
SIMILAR_SOUND = "nearly the same sound (copies, or the same background mixed in)"
REMOVE_FROM_TEST = "training recordings must not be tested on, remove them from test/"

Group = list[RecordingStats]  # two recordings or more


@dataclass(frozen=True)
class Duplicates:
    """Groups of recordings with the same samples, and of those with nearly the same sound."""

    same: list[Group]
    similar: list[Group]  # one recording stands for all with the same samples

    @classmethod
    def among(cls, recordings: Sequence[RecordingStats]) -> Self:
        """All duplicates; leave silent recordings out, since they all are alike."""
        by_content = defaultdict(list)
        for recording in recordings:
            by_content[recording.sha256].append(recording)
        distinct = [group[0] for group in by_content.values()]
        prints = [
            bytes.fromhex(recording.fingerprint) if recording.fingerprint else None
            for recording in distinct
        ]
        same = [group for group in by_content.values() if len(group) > 1]
        similar = [[distinct[i] for i in group] for group in similar_groups(prints)]
        return cls(same, similar)

    def conflicting_labels(self) -> Iterator[Finding]:
        """The same sound under two labels or machines."""
        conflicting = [
            group
            for group in self.same
            if len({(recording.label, recording.machine) for recording in group}) > 1
        ]
        yield from finding_about_copies(
            "labels",
            f"{SAME_SOUND} under two labels or machines",
            "find out which name is right",
            conflicting,
        )

    def leaks(self) -> Iterator[Finding]:
        """The same sound in training and test."""
        yield from finding_about_copies(
            "leakage",
            f"{SAME_SOUND} in train/ and test/",
            REMOVE_FROM_TEST,
            [group for group in self.same if _is_leak(group)],
        )
        yield from finding_about_copies(
            "near leakage",
            f"{SIMILAR_SOUND} in train/ and test/",
            f"listen: {REMOVE_FROM_TEST}",
            [group for group in self.similar if _is_leak(group)],
        )

    def repetitions(self) -> Iterator[Finding]:
        """The same sound more than once in training, or in test."""
        advice = "keep one: a copy counts as evidence and is none"
        yield from finding_about_copies(
            "copies",
            f"{SAME_SOUND} more than once",
            advice,
            [group for group in self.same if not _is_leak(group)],
        )
        yield from finding_about_copies(
            "near copies",
            f"{SIMILAR_SOUND} more than once",
            advice,
            [group for group in self.similar if not _is_leak(group)],
            hinders=False,
        )


def _is_leak(group: Group) -> bool:
    return len({recording.split for recording in group}) > 1
