"""What a check found in a data set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .recording_stats import RecordingStats

MAX_NAMED_FILES = 5  # in a sentence

Copies = tuple[str, ...]  # one file, or several with the same sound


@dataclass(frozen=True)
class Finding:
    """A statement about some files, or about the whole data set, and what to do."""

    kind: str  # a key of `checks.KINDS`
    what: str
    advice: str
    files: tuple[Copies, ...] = ()  # empty for the whole data set
    hinders: bool = True  # fix it before training; else it is a note

    def sentence(self) -> str:
        """The finding in one sentence, which names the first files."""
        files = f"{', '.join(self.named())}: " if self.files else ""
        return f"{files}{self.what}; {self.advice}"

    def named(self) -> list[str]:
        """The first files, and how many more there are."""
        names = [" = ".join(copies) for copies in self.files[:MAX_NAMED_FILES]]
        n_more = len(self.files) - MAX_NAMED_FILES
        if n_more > 0:
            names.append(f"{n_more} more")
        return names


def finding_about(
    kind: str, what: str, advice: str, recordings: Iterable[RecordingStats]
) -> Iterator[Finding]:
    """The finding, if there is any such recording."""
    files = tuple((recording.file,) for recording in recordings)
    if files:
        yield Finding(kind, what, advice, files)


def finding_about_copies(
    kind: str,
    what: str,
    advice: str,
    groups: Iterable[Sequence[RecordingStats]],
    *,
    hinders: bool = True,
) -> Iterator[Finding]:
    """The finding, if there is any such group of copies."""
    files = tuple(tuple(recording.file for recording in group) for group in groups)
    if files:
        yield Finding(kind, what, advice, files, hinders)
