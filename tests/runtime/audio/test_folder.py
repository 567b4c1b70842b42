"""What a folder holds, and what of it is not read."""

import os
from pathlib import Path

import pytest

from edgeae.runtime.audio.folder import audio_files, folder_content, is_sound, subfolders_of


def make(folder: Path, *names: str) -> Path:
    """Empty files; only their names matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def not_read(folder: Path, *, recursive: bool = False) -> list[str]:
    messages = folder_content(folder, recursive=recursive).not_read()
    assert all(message.startswith(f"{folder}: not read: ") for message in messages)
    return [message.partition(": not read: ")[2] for message in messages]


def test_other_files_and_folders_are_not_recordings(tmp_path: Path) -> None:
    make(
        tmp_path,
        "normal_00.wav",
        "notes.txt",
        "normal_00.wav.part",
        "normal_01",
        "normal_02.wav/normal_03.wav",
    )
    assert [path.name for path in audio_files(tmp_path)] == ["normal_00.wav"]


def test_hidden_files_and_folders_are_skipped_without_a_word(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "._a.wav", ".DS_Store", "Thumbs.db", ".git/a.wav", "__MACOSX/a.wav")
    content = folder_content(tmp_path, recursive=True)
    assert content.recordings == (tmp_path / "a.wav",)
    assert content.not_read() == []


def test_recordings_in_sub_folders_are_counted_or_read(tmp_path: Path) -> None:
    make(tmp_path, "top.wav", *(f"2026-01-0{i}/a.wav" for i in range(1, 7)), "x/y/b.flac")
    assert folder_content(tmp_path).recordings == (tmp_path / "top.wav",)
    assert not_read(tmp_path) == [
        "7 recordings in 7 sub-folders (2026-01-01 and 6 more); add --recursive"
    ]
    assert len(folder_content(tmp_path, recursive=True).recordings) == 8
    assert not_read(tmp_path, recursive=True) == []


def test_what_is_not_read_is_named_with_the_count(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "a.m4a", "b.M4A", "c.wma")
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert not_read(tmp_path) == [
        "3 files in another format (a.m4a and 2 more); convert to WAV, FLAC, OGG, MP3 or AIFF",
        "1 link to a missing file (gone.wav); repair or remove it",
        "1 special file that cannot be opened again (pipe.wav); name it by itself",
    ]


def test_links_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    make(tmp_path, "data/a.wav", "elsewhere/b.wav")
    (tmp_path / "data/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "data")
    names = [path.name for path in folder_content(tmp_path / "data", recursive=True).recordings]
    assert names == ["a.wav", "b.wav"]


def test_entries_of_the_cache_of_a_training_are_no_recordings(tmp_path: Path) -> None:
    make(tmp_path, f"cache/{'0a' * 32}.npy", "normal_0.npy")
    content = folder_content(tmp_path, recursive=True)
    assert [path.name for path in content.recordings] == ["normal_0.npy"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every folder")
    make(tmp_path, "a.wav", "closed/b.wav")
    (tmp_path / "closed").chmod(0)
    try:
        assert not_read(tmp_path, recursive=True) == [
            "1 folder without permission (closed); allow reading it"
        ]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_the_error_of_an_empty_folder_says_what_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "day/a.wav")
    error = folder_content(tmp_path).no_recording("holds no recording")
    assert str(error) == (
        f"{tmp_path}: holds no recording "
        f"(not read: 1 recording in 1 sub-folder (day); add --recursive)"
    )


def test_sub_folders_are_listed_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b/1", "a/1", ".c/1", "d")
    assert [path.name for path in subfolders_of(tmp_path)] == ["a", "b"]
    assert subfolders_of(tmp_path / "missing") == []


def test_arrays_are_no_sound() -> None:
    assert is_sound(Path("A.WAV"))
    assert not is_sound(Path("a.npy"))
