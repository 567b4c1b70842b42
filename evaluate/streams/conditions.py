"""Which anomalous recordings show the same fault, as far as their names tell.

    anomaly_bearing_03.wav                              bearing
    section_00_source_test_anomaly_0001_vel_6V.wav      source vel 6V
    anomaly_id_03_00000012.wav                          nothing: all faults of the machine are one

What remains of a name without label, machine, split and number is its condition.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeae.runtime.audio.recording_name import is_label_word
from edgeae.runtime.audio.recordings import Recording

ALL_FAULTS = "all faults"
MAX_CONDITIONS = 20  # of a machine, those with the most recordings
MIN_MEAN_RECORDINGS = 2  # of a condition; with fewer, the names number the recordings
MACHINE_WORDS = {"id", "section"}  # a number follows
SPLIT_WORDS = {"train", "test"}

_SEPARATORS = re.compile(r"[_\s()]+|-(?=\d)|(?<=\d)-")  # but not "m-n", a noise of DCASE


def conditions(anomalies: Sequence[Recording]) -> dict[str, list[Path]]:
    """The anomalous recordings of one machine by condition, both in the order of their names."""
    groups: dict[str, list[Path]] = {}
    for recording in sorted(anomalies, key=lambda item: item.path.name):
        groups.setdefault(condition_of(recording.path), []).append(recording.path)
    if len(groups) < 2 or len(groups) * MIN_MEAN_RECORDINGS > len(anomalies):
        everything = sorted((item.path for item in anomalies), key=lambda path: path.name)
        return {ALL_FAULTS: everything} if everything else {}
    largest = sorted(groups, key=lambda name: (-len(groups[name]), name))[:MAX_CONDITIONS]
    return {name or ALL_FAULTS: groups[name] for name in sorted(largest)}


def condition_of(path: Path) -> str:
    """The words of a name that are neither label, machine, split nor number; maybe none."""
    words = list(_without_machine(_SEPARATORS.split(path.stem)))
    words = [word for word in words if not is_label_word(word.lower().rstrip("0123456789"))]
    number = next((word for word in words if word.isdigit()), None)
    if number is not None:
        words.remove(number)
    return " ".join(words)


def _without_machine(words: Sequence[str]) -> Iterator[str]:
    """The words without the machine, the split and empty ones."""
    before = ""
    for word in words:
        lower = word.lower()
        is_machine = lower in MACHINE_WORDS or (before in MACHINE_WORDS and lower.isdigit())
        if word and not is_machine and lower not in SPLIT_WORDS:
            yield word
        before = lower
