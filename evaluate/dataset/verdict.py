"""A data set in one sentence: is it ready to train on?"""

from collections.abc import Sequence

from .findings import Finding
from .survey import Survey


def verdict(survey: Survey, findings: Sequence[Finding]) -> str:
    """Ready to train, or not, and how much there is."""
    minutes = sum(recording.seconds for recording in survey.recordings) / 60
    n_recordings = _count(len(survey.recordings), "recording")
    size = f"{n_recordings} of {_count(len(survey.machines), 'machine')}, {minutes:.1f} minutes"
    hindering = [finding for finding in findings if finding.hinders]
    if not hindering and not survey.refused:
        train = [recording for recording in survey.recordings if recording.split == "train"]
        train_minutes = sum(recording.seconds for recording in train) / 60
        return (
            f"Ready to train: {size}, {_count(len(train), 'recording')} "
            f"({train_minutes:.1f} minutes) of them to train on, and nothing that has to be fixed "
            f"was found."
        )
    parts = []
    if survey.refused:
        parts.append(f"{_count(len(survey.refused), 'file')} that cannot be used")
    if hindering:
        files = {file for finding in hindering for copies in finding.files for file in copies}
        parts.append(f"{_count(len(hindering), 'point')} in {_count(len(files), 'file')}")
    return f"Not ready to train: fix {' and '.join(parts)}; {size}, could be read."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
