"""The recordings in a folder, and what in it is not read.

Hidden files are skipped: a Mac writes ``._name.wav`` beside each ``name.wav``, which is no sound.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, printable
from .file_types import AUDIO_SUFFIXES, KINDS, OTHER_SOUND_SUFFIXES, SUFFIXES, has_suffix

MAX_COUNTED_FOLDERS = 1000  # below a folder, whose recordings are counted if they are not read
SKIPPED_FOLDERS = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information"})
# The cache of a training names its entries after a SHA-256.
_CACHE_ENTRY = re.compile(r"[0-9a-f]{64}\.npy")


def ignore_report(message: str) -> None:
    """For callers who do not report what of a folder is not read."""


@dataclass(frozen=True)
class FolderContent:
    """The recordings in a folder, and the files in it that look like some but are not read."""

    folder: Path
    recordings: tuple[Path, ...]  # by path
    other_sound: tuple[Path, ...] = ()  # in formats that are not read
    dangling: tuple[Path, ...] = ()  # links to files that do not exist
    special: tuple[Path, ...] = ()  # named like recordings, but neither files nor folders
    unreadable_folders: tuple[Path, ...] = ()
    below: tuple[Path, ...] = ()  # recordings in sub-folders that are not read

    def not_read(self) -> list[str]:
        """A sentence for each kind of thing that is not read, with the count and what to do."""
        return [printable(f"{self.folder}: not read: {sentence}") for sentence in self._not_read()]

    def no_recording(self, wanted: str) -> ConfigError:
        """The error where the folder holds no recording; wanted: as in ``holds no recording``."""
        reasons = self._not_read()
        reason = f" (not read: {reasons[0]})" if reasons else ""
        return ConfigError(f"{self.folder}: {wanted}{reason}")

    def _not_read(self) -> list[str]:
        other_folders = sorted({path.relative_to(self.folder).parts[0] for path in self.below})
        kinds = (
            (self.other_sound, "file", "in another format", f"convert to {KINDS}"),
            (self.dangling, "link", "to a missing file", "repair or remove it"),
            (self.special, "special file", "that cannot be opened again", "name it by itself"),
            (self.unreadable_folders, "folder", "without permission", "allow reading it"),
        )
        sentences = [
            f"{_count(len(paths), noun)} {what} "
            f"({first_of([path.name for path in paths])}); {advice}"
            for paths, noun, what, advice in kinds
            if paths
        ]
        if self.below:
            sentences.append(
                f"{_count(len(self.below), 'recording')} in "
                f"{_count(len(other_folders), 'sub-folder')} ({first_of(other_folders)}); "
                f"add --recursive"
            )
        return sentences


def folder_content(folder: Path, *, recursive: bool = False) -> FolderContent:
    """What a folder holds; OSError if it cannot be read.

    recursive: read all sub-folders, too, but hidden ones.
    """
    content = _Lists()
    subfolders = _read_into(content, folder)
    below = _Lists()
    n_folders = 0
    # A link may lead to a folder above it.
    visited = {_identity(folder)}
    while subfolders:
        subfolder = subfolders.pop(0)
        identity = _identity(subfolder)
        n_folders += 1
        if identity in visited or (not recursive and n_folders > MAX_COUNTED_FOLDERS):
            continue
        visited.add(identity)
        target = content if recursive else below
        try:
            subfolders += _read_into(target, subfolder)
        except OSError:
            target.unreadable_folders.append(subfolder)
    return FolderContent(
        folder,
        recordings=tuple(sorted(content.recordings)),
        other_sound=tuple(sorted(content.other_sound)),
        dangling=tuple(sorted(content.dangling)),
        special=tuple(sorted(content.special)),
        unreadable_folders=tuple(sorted(content.unreadable_folders)),
        below=tuple(sorted(path for path in below.recordings if is_sound(path))),
    )


def audio_files(folder: Path) -> list[Path]:
    """The recordings directly in ``folder``, by name."""
    content = _Lists()
    _read_into(content, folder)
    return sorted(content.recordings)


def subfolders_of(folder: Path) -> list[Path]:
    """The folders directly in ``folder`` by name, without hidden ones; none if it is unreadable."""
    try:
        return sorted(_read_into(_Lists(), folder))
    except OSError:
        return []


def is_sound(path: Path) -> bool:
    """Whether a file is named as sound, and not as an array."""
    return has_suffix(path.name, AUDIO_SUFFIXES)


class _Lists:
    """What was listed so far."""

    def __init__(self) -> None:
        self.recordings: list[Path] = []
        self.other_sound: list[Path] = []
        self.dangling: list[Path] = []
        self.special: list[Path] = []
        self.unreadable_folders: list[Path] = []


def _read_into(lists: _Lists, folder: Path) -> list[Path]:
    """Sort the files of a folder into the lists; returns its sub-folders, by name."""
    subfolders: list[Path] = []
    for entry in _entries(folder):
        path = folder / entry.name
        if entry.is_dir():
            if entry.name not in SKIPPED_FOLDERS:
                subfolders.append(path)
        elif has_suffix(entry.name, OTHER_SOUND_SUFFIXES):
            lists.other_sound.append(path)
        elif not has_suffix(entry.name, SUFFIXES) or _CACHE_ENTRY.fullmatch(entry.name):
            continue
        elif entry.is_file():
            lists.recordings.append(path)
        elif path.is_symlink():
            lists.dangling.append(path)
        else:
            lists.special.append(path)
    return subfolders


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder by name, without hidden files and folders."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return iter(sorted(visible, key=lambda entry: entry.name))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if there is no such folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def first_of(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are: ``a.wav and 2 more``."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
