"""Which folders of a data set hold its splits and labels.

DATA/train/, DATA/test/                            splits, with anything below them
DATA/train/, DATA/source_test/, DATA/target_test/  DCASE 2021
DATA/id_00/normal/, DATA/id_00/abnormal/           MIMII: labels of machines, no split
DATA/normal/, DATA/abnormal/                       labels, no split
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .folder import audio_files, subfolders_of
from .recording_name import SplitName, label_of_folder, read_name, split_of_folder

MAX_DEPTH = 3  # folders below the given one, in which data sets are searched
MAX_SEARCHED_FOLDERS = 1000


@dataclass(frozen=True)
class Layout:
    """The folders of a data set that hold recordings."""

    train: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()  # without a split; only if there are no folders of splits
    others: tuple[Path, ...] = ()  # folders that are not read

    def of(self, split: SplitName) -> tuple[Path, ...]:
        """The folders of one split."""
        return self.train if split == "train" else self.test


def layout_of(data: Path) -> Layout:
    """The layout of a folder; one without train, test and labels if it is no data set."""
    subfolders = subfolders_of(data)
    splits = {path: split_of_folder(path.name) for path in subfolders}
    others = tuple(path for path in subfolders if splits[path] is None)
    if any(splits.values()):
        return Layout(
            train=tuple(path for path in subfolders if splits[path] == "train"),
            test=tuple(path for path in subfolders if splits[path] == "test"),
            others=others,
        )
    labels = tuple(_label_folders(subfolders))
    if not any(label_of_folder(path.name) == "normal" for path in labels):
        return Layout(others=others)
    read = {*labels, *(path.parent for path in labels)}
    return Layout(labels=labels, others=tuple(path for path in others if path not in read))


def _label_folders(subfolders: list[Path]) -> Iterator[Path]:
    """Folders that are named after a label, of the data set or of a machine in it."""
    for folder in subfolders:
        if label_of_folder(folder.name):
            yield folder
        elif read_name(folder / "x", folder.parent).machine != "default":
            yield from (path for path in subfolders_of(folder) if label_of_folder(path.name))


def data_sets_below(folder: Path, split: SplitName) -> list[Path]:
    """The data sets below a folder that hold a split, by path."""
    data_sets: list[Path] = []
    candidates = [(path, 1) for path in subfolders_of(folder)]
    n_searched = 0
    while candidates and n_searched < MAX_SEARCHED_FOLDERS:
        path, depth = candidates.pop(0)
        n_searched += 1
        layout = layout_of(path)
        if layout.of(split) or layout.labels:
            data_sets.append(path)
        elif depth < MAX_DEPTH:
            candidates += [(subfolder, depth + 1) for subfolder in subfolders_of(path)]
    return sorted(data_sets)


def data_set_above(folder: Path) -> Path | None:
    """The data set that ``folder`` is a part of, such as data/ of data/train/; else None."""
    absolute = folder.absolute()
    for above in list(absolute.parents)[:2]:
        layout = layout_of(above)
        if absolute in (*layout.train, *layout.test, *layout.labels):
            return above if folder.is_absolute() else Path(os.path.relpath(above))
    return None


def n_recordings_in(folder: Path) -> int:
    """The number of recordings directly in a folder; 0 if it cannot be read."""
    try:
        return len(audio_files(folder))
    except OSError:
        return 0
