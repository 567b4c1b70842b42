"""Which recordings a folder holds: split, label and machine, read from names.

Understood, in this order:

    DATA/train/normal_00.wav                     the plain form
    DATA/test/anomaly_id_03_00000012.wav         DCASE 2020 Task 2
    DATA/test/section_00_source_test_anomaly_0001_vel_6V.wav   DCASE 2021 and later
    DATA/id_00/normal/00000000.wav, DATA/id_00/abnormal/...    MIMII
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigError
from .file_types import SUFFIXES

Label = Literal["normal", "anomaly"]
SplitName = Literal["train", "test"]

DEFAULT_MACHINE = "default"

_LABEL = re.compile(r"(?:^|_)(normal|anomaly|anomalous|abnormal)(?:_|$)")
_MACHINE = re.compile(r"(?:^|_)((?:id|section)_\d+)(?:_|$)")


@dataclass(frozen=True)
class Recording:
    """One file; ``machine`` is ``id_03``, ``section_00`` or ``default``."""

    path: Path
    label: Label
    machine: str


def machine_of(path: Path) -> str:
    """The machine id in the file's name, else in the folders above it, else ``default``."""
    for name in (path.stem, path.parent.name, path.parent.parent.name):
        if match := _MACHINE.search(name.lower()):
            return match[1]
    return DEFAULT_MACHINE


def label_of(path: Path) -> Label | None:
    """The label in the file's name, else in its folder's name, else None."""
    for name in (path.stem, path.parent.name):
        if match := _LABEL.search(name.lower()):
            return "normal" if match[1] == "normal" else "anomaly"
    return None


def audio_files(folder: Path) -> list[Path]:
    """Recordings directly in ``folder``, by name."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def _raise(message: str) -> None:
    raise ConfigError(message)


def _labelled(paths: Iterable[Path], refuse: Callable[[str], None]) -> list[Recording]:
    """The recordings with a label in their names; the others are passed to ``refuse``."""
    recordings = []
    for path in paths:
        label = label_of(path)
        if label is None:
            refuse(
                f"{path}: no label in the name; name it like normal_00.wav, "
                f"anomaly_id_03_00000012.wav or section_00_source_test_normal_0000.wav, "
                f"or put it into a folder normal/ or abnormal/"
            )
        else:
            recordings.append(Recording(path, label, machine_of(path)))
    return recordings


def _split_mimii(folder: Path, refuse: Callable[[str], None]) -> dict[SplitName, list[Recording]]:
    """Both splits of a MIMII folder.

    Of each machine, the last normal recordings by name are in the test: as many as there are
    anomalies, at most half.
    """
    subfolders = sorted(folder.glob("id_*/*normal"))
    paths = [path for subfolder in subfolders for path in audio_files(subfolder)]
    splits: dict[SplitName, list[Recording]] = {"train": [], "test": []}
    for recordings in by_machine(_labelled(paths, refuse)).values():
        normals = [recording for recording in recordings if recording.label == "normal"]
        anomalies = [recording for recording in recordings if recording.label == "anomaly"]
        n_train = len(normals) - min(len(anomalies), len(normals) // 2)
        splits["train"] += normals[:n_train]
        splits["test"] += normals[n_train:] + anomalies
    return splits


def scan(
    data: str | Path, split: SplitName, refuse: Callable[[str], None] = _raise
) -> list[Recording]:
    """The recordings of one split of a data set, sorted by machine and name.

    data: its folder. split: train or test.
    refuse: is called with a message about each name without a label, and each anomaly among the
        training recordings; if it returns, the recording is left out. By default it raises
        ConfigError.

    Raises ConfigError for a folder that is missing or holds no recordings.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; give a data set with {split}/normal_*.wav in it"
        )
    if (folder / split).is_dir():
        recordings = _labelled(audio_files(folder / split), refuse)
    elif any(folder.glob("id_*/normal")):
        recordings = _split_mimii(folder, refuse)[split]
    else:
        raise ConfigError(
            f"{folder}: holds neither {split}/ nor MIMII folders id_00/normal/; "
            f"put the recordings into {folder / split}"
        )
    if not recordings:
        raise ConfigError(
            f"{folder}: no {', '.join(SUFFIXES)} file for {split}; put recordings into it"
        )
    if split == "train":
        for recording in recordings:
            if recording.label == "anomaly":
                refuse(
                    f"{recording.path}: an anomaly among the training recordings; "
                    f"move it to {folder / 'test'}"
                )
        recordings = [recording for recording in recordings if recording.label == "normal"]
    return sorted(recordings, key=lambda recording: (recording.machine, recording.path.name))


def by_name(recordings: Iterable[Recording]) -> list[Recording]:
    """The recordings in the order of their file names, whatever their folders."""
    return sorted(recordings, key=lambda recording: recording.path.name)


def by_machine(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Machine id -> its recordings; machines by name, recordings in the given order."""
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.machine, []).append(recording)
    return dict(sorted(groups.items()))
