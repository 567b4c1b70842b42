"""One pass over a data set: properties of its recordings, levels of its bands, some
spectrograms."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, SplitName, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.system.arrays import Float32, Float64
from edgeae.runtime.system.progress import bar

from .band_levels import INSPECTION_SPEC, BandLevels
from .fingerprint import N_FRAMES
from .recording_stats import RecordingStats, measure_recording

SPLITS: tuple[SplitName, ...] = ("train", "test")
GROUPS = (("train", "normal"), ("test", "normal"), ("test", "anomaly"))  # split and label
MAX_PICTURED_MACHINES = 8  # by name, whose spectrograms are kept
MAX_PICTURED_SECONDS = 10
MAX_PICTURED_FRAMES = round(MAX_PICTURED_SECONDS * INSPECTION_SPEC.frames_per_second)

Group = tuple[str, str, str]  # machine, split, label


@dataclass
class Survey:
    """What a data set holds; memory hardly grows with the length of the recordings."""

    folder: Path
    recordings: list[RecordingStats] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # a sentence for each file that cannot be used
    levels: dict[Group, BandLevels] = field(default_factory=lambda: defaultdict(BandLevels))
    spectra: dict[str, Float64] = field(default_factory=dict)  # file: (n_mels,) dB, mean
    # The file and the frames (n_frames, n_mels), dB, of one recording of a group.
    examples: dict[Group, tuple[str, Float32]] = field(default_factory=dict)

    @property
    def machines(self) -> list[str]:
        """By name."""
        return sorted({recording.machine for recording in self.recordings})

    def of(self, machine: str, split: str, label: str) -> list[RecordingStats]:
        """The recordings of one group."""
        return [
            recording
            for recording in self.recordings
            if (recording.machine, recording.split, recording.label) == (machine, split, label)
        ]

    def add(self, recording: Recording, split: SplitName, channel: Channel) -> None:
        """Read one recording; one that cannot be read goes to ``refused``."""
        group = (recording.machine, split, recording.label)
        is_example = self._wants_example_of(group)
        n_kept = MAX_PICTURED_FRAMES if is_example else N_FRAMES
        levels = BandLevels()
        try:
            stats, frames = measure_recording(recording, split, channel, levels, n_kept)
        except AudioError as error:
            self.refused.append(str(error))
            return
        except OSError as error:
            self.refused.append(
                f"{recording.path}: cannot be read ({error.strerror}); "
                "check its permissions and the disk"
            )
            return
        self.recordings.append(stats)
        self.levels[group].counts += levels.counts
        if stats.frames:
            self.spectra[stats.file] = levels.mean()
        if is_example and len(frames):
            self.examples[group] = stats.file, frames

    def _wants_example_of(self, group: Group) -> bool:
        other_machines = {machine for machine, *_ in self.examples} - {group[0]}
        return group not in self.examples and len(other_machines) < MAX_PICTURED_MACHINES


def survey(data: Path, channel: Channel = 0) -> Survey:
    """Read a data set; AudioError or ConfigError where no recording of it can be read."""
    result = Survey(data)
    missing_splits: list[ConfigError] = []
    recordings = [
        (recording, split) for split in SPLITS for recording in _scan(result, split, missing_splits)
    ]
    for recording, split in bar(recordings, len(recordings), "recordings"):
        result.add(recording, split, channel)
    # In MIMII's layout each split scans the same folders and refuses the same files.
    result.refused = list(dict.fromkeys(result.refused))
    if result.recordings:
        return result
    if result.refused:
        raise AudioError(f"no recording can be used: {result.refused[0]}")
    raise missing_splits[0]


def _scan(result: Survey, split: SplitName, missing_splits: list[ConfigError]) -> list[Recording]:
    """The recordings of a split; one that is missing is noted."""
    try:
        return scan(
            result.folder,
            split,
            result.refused.append,
            report=result.refused.append,
            command="edgeae inspect",
        )
    except ConfigError as error:
        missing_splits.append(error)
        return []
