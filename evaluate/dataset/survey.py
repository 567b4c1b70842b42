"""A data set in one pass: the facts of its recordings, how loud their bands are, and some spectrograms to look at."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, SplitName, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import bar

from .fingerprint import LAG, SPEC, STEPS, BandLevels
from .recording_stats import Facts, facts_of

SPLITS: tuple[SplitName, ...] = ("train", "test")
GROUPS = (("train", "normal"), ("test", "normal"), ("test", "anomaly"))  # split and label
PICTURED = 8  # machines, by name, of which spectrograms are kept
SHOWN = round(10 * SPEC.frames_per_second)  # frames of a spectrogram, at most

Group = tuple[str, str, str]  # machine, split, label


@dataclass
class Survey:
    """What was found; its size hardly grows with the length of the recordings."""

    folder: Path
    recordings: list[Facts] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # a sentence for each file that cannot be used
    levels: dict[Group, BandLevels] = field(default_factory=lambda: defaultdict(BandLevels))
    examples: dict[Group, tuple[str, Float32]] = field(
        default_factory=dict
    )  # file and (n_frames, n_mels) dB

    @property
    def machines(self) -> list[str]:
        return sorted({fact.machine for fact in self.recordings})

    def of(self, machine: str, split: str, label: str) -> list[Facts]:
        """The recordings of one group."""
        return [
            fact
            for fact in self.recordings
            if (fact.machine, fact.split, fact.label) == (machine, split, label)
        ]

    def add(self, recording: Recording, split: SplitName, channel: Channel) -> None:
        """Read one recording; one that cannot be read is noted as refused."""
        group = (recording.machine, split, recording.label)
        others = {machine for machine, *_ in self.examples} - {recording.machine}
        pictured = group not in self.examples and len(others) < PICTURED
        levels = BandLevels()
        try:
            fact, frames = facts_of(
                recording, split, channel, levels, SHOWN if pictured else STEPS + LAG
            )
        except AudioError as error:
            self.refused.append(str(error))
        except OSError as error:
            self.refused.append(
                f"{recording.path}: cannot be read ({error.strerror}); mend its rights or the disk"
            )
        else:
            self.recordings.append(fact)
            self.levels[group].counts += levels.counts
            if pictured and len(frames):
                self.examples[group] = fact.file, frames


def survey(data: Path, channel: Channel = 0) -> Survey:
    """Read a data set; AudioError or ConfigError where no recording of it can be read."""
    found, absent = Survey(data), list[ConfigError]()
    todo = [(recording, split) for split in SPLITS for recording in _scan(found, split, absent)]
    for recording, split in bar(todo, len(todo), "recordings"):
        found.add(recording, split, channel)
    found.refused = list(
        dict.fromkeys(found.refused)
    )  # MIMII's folders are gone through for each split
    if not found.recordings:
        raise (
            absent[0]
            if not found.refused
            else AudioError(f"no recording can be used: {found.refused[0]}")
        )
    return found


def _scan(found: Survey, split: SplitName, absent: list[ConfigError]) -> list[Recording]:
    try:
        return scan(found.folder, split, found.refused.append)
    except ConfigError as error:
        absent.append(error)
        return []
