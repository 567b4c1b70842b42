"""The recordings of a data set, with split, label and machine.

The folders are those of `edgeae.runtime.audio.layout`; what names say is read by
`edgeae.runtime.audio.recording_name`.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError, printable
from .file_types import SUFFIXES
from .folder import FolderContent, audio_files, first_of, folder_content, ignore_report
from .layout import Layout, data_set_above, data_sets_below, layout_of, n_recordings_in
from .recording_name import DEFAULT_MACHINE, Domain, Label, SplitName, read_name

__all__ = [
    "DEFAULT_MACHINE",
    "Domain",
    "Label",
    "Recording",
    "SplitName",
    "audio_files",
    "by_machine",
    "by_name",
    "scan",
]

MAX_NAMED_FOLDERS = 3  # in a sentence


@dataclass(frozen=True)
class Recording:
    """One file; ``machine`` is ``id_03``, ``section_00`` or ``default``."""

    path: Path
    label: Label
    machine: str
    domain: Domain | None = None  # of DCASE


def _raise(message: str) -> None:
    raise ConfigError(message)


def scan(
    data: str | Path,
    split: SplitName,
    refuse: Callable[[str], None] = _raise,
    *,
    report: Callable[[str], None] = ignore_report,
    command: str = "edgeae train",
) -> list[Recording]:
    """The recordings of one split of a data set, sorted by machine and name.

    data: its folder.
    split: train or test.
    refuse: is called with a message about names without a label, names that contradict their
        folders, and anomalies among the training recordings; if it returns, these recordings are
        left out. By default it raises ConfigError.
    report: is called with a message about files that are not read, such as those in another format.
    command: what the person typed in front of the folder, for advice.

    Raises ConfigError for a folder that is missing or holds no recordings.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; give a data set with {split}/normal_*.wav in it"
        )
    layout = layout_of(folder)
    folders = layout.of(split) or layout.labels
    if not folders:
        raise ConfigError(_no_data_set(folder, split, layout, command))
    contents = [folder_content(each, recursive=True) for each in folders]
    for message in _not_read(folder, contents, layout):
        report(printable(message))
    paths = [path for content in contents for path in content.recordings]
    recordings = _labelled(folder, paths, refuse)
    if not layout.of(split):
        recordings = _split_without_folders(recordings)[split]
    if not recordings:
        empty = replace(contents[0], folder=folder)
        raise empty.no_recording(
            f"no {', '.join(SUFFIXES)} file for {split}; put recordings into it"
        )
    if split == "train":
        anomalies = [recording.path for recording in recordings if recording.label == "anomaly"]
        if anomalies:
            refuse(
                f"{_first_path(anomalies)}: an anomaly among the training recordings; "
                f"move it to {folder / 'test'}"
            )
        recordings = [recording for recording in recordings if recording.label == "normal"]
    return sorted(
        recordings, key=lambda recording: (recording.machine, recording.path.name, recording.path)
    )


def _labelled(data: Path, paths: Sequence[Path], refuse: Callable[[str], None]) -> list[Recording]:
    """The recordings whose paths say a label; one message for all others of a kind."""
    recordings: list[Recording] = []
    unlabelled: list[Path] = []
    conflicting: list[Path] = []
    for path in paths:
        reading = read_name(path, data)
        if reading.conflict:
            conflicting.append(path)
        elif reading.label is None:
            unlabelled.append(path)
        else:
            recordings.append(Recording(path, reading.label, reading.machine, reading.domain))
    if conflicting:
        refuse(
            f"{_first_path(conflicting)}: {read_name(conflicting[0], data).conflict}; "
            f"rename it, or move it to where it belongs"
        )
    if unlabelled:
        refuse(
            f"{_first_path(unlabelled)}: no label in the name; name it like normal_00.wav, "
            f"anomaly_id_03_00000012.wav or section_00_source_test_normal_0000.wav, "
            f"put it into a folder normal/ or anomaly/, or score it without a label: "
            f"edgeae run MODEL {typed(unlabelled[0].parent)}"
        )
    return recordings


def _first_path(paths: Sequence[Path]) -> str:
    return first_of([str(path) for path in paths])


def typed(path: Path) -> str:
    """A path as it is typed in a shell, where it would otherwise be taken for options."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _split_without_folders(recordings: Sequence[Recording]) -> dict[SplitName, list[Recording]]:
    """Both splits of a data set whose folders name none, as of MIMII.

    Of each machine, the last normal recordings by name are in the test: as many as there are
    anomalies, at most half.
    """
    splits: dict[SplitName, list[Recording]] = {"train": [], "test": []}
    for group in by_machine(sorted(recordings, key=lambda item: item.path)).values():
        normals = [recording for recording in group if recording.label == "normal"]
        anomalies = [recording for recording in group if recording.label == "anomaly"]
        n_train = len(normals) - min(len(anomalies), len(normals) // 2)
        splits["train"] += normals[:n_train]
        splits["test"] += normals[n_train:] + anomalies
    return splits


def _not_read(folder: Path, contents: Sequence[FolderContent], layout: Layout) -> list[str]:
    """What of a data set is not read, a sentence each."""
    messages = [message for content in contents for message in content.not_read()]
    if layout.labels:
        folder_names = "folders of labels"
    else:
        folder_names = " and ".join(f"{path.name}/" for path in (*layout.train, *layout.test))
    n_beside = n_recordings_in(folder)
    if n_beside:
        messages.append(f"{folder}: not read: {n_beside} recordings beside {folder_names}")
    counts = {path.name: n_recordings_in(path) for path in layout.others}
    with_recordings = [name for name, count in counts.items() if count]
    if with_recordings:
        messages.append(
            f"{folder}: not read: {sum(counts.values())} recordings in "
            f"{first_of([f'{name}/' for name in with_recordings])}, which is neither a split "
            f"nor a label"
        )
    return messages


def _no_data_set(folder: Path, split: SplitName, layout: Layout, command: str) -> str:
    """Why a folder is no data set with this split, and what to type instead."""
    start = f"{folder}: holds neither {split}/ nor MIMII folders id_00/normal/"
    below = data_sets_below(folder, split)
    if below:
        names = [f"{path.relative_to(folder)}/" for path in below]
        more = f" and {len(names) - MAX_NAMED_FOLDERS} more" * (len(names) > MAX_NAMED_FOLDERS)
        return (
            f"{start}, but {', '.join(names[:MAX_NAMED_FOLDERS])}{more} {_do(len(names))}; "
            f"type: {command} {typed(below[0])}"
        )
    above = data_set_above(folder)
    if above:
        return f"{start}; it is a part of a data set, type: {command} {typed(above)}"
    n_recordings = n_recordings_in(folder)
    if n_recordings:
        return (
            f"{start}, but {n_recordings} recordings; put normal ones into {folder / 'train'} and "
            f"those to test with into {folder / 'test'}, or score them: "
            f"edgeae run MODEL {typed(folder)}"
        )
    return f"{start}; put the recordings into {folder / split}"


def _do(count: int) -> str:
    return "does" if count == 1 else "do"


def by_name(recordings: Iterable[Recording]) -> list[Recording]:
    """The recordings in the order of their file names, whatever their folders."""
    return sorted(recordings, key=lambda recording: recording.path.name)


def by_machine(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Machine id -> its recordings; machines by name, recordings in the given order."""
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.machine, []).append(recording)
    return dict(sorted(groups.items()))
