"""Which folders of a data set are read."""

from pathlib import Path

import pytest

from edgeae.runtime.audio.layout import (
    data_set_above,
    data_sets_below,
    layout_of,
    n_recordings_in,
)


def make(folder: Path, *names: str) -> Path:
    """Empty files; only their names matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_splits_are_folders_in_any_case(tmp_path: Path) -> None:
    make(tmp_path, "Train/a.wav", "source_test/a.wav", "target_test/a.wav", "notes/a.txt")
    layout = layout_of(tmp_path)
    assert layout.train == (tmp_path / "Train",)
    assert layout.test == (tmp_path / "source_test", tmp_path / "target_test")
    assert layout.of("test") == layout.test
    assert layout.others == (tmp_path / "notes",)


def test_labels_are_folders_of_machines_or_of_the_data_set(tmp_path: Path) -> None:
    make(tmp_path, "mimii/id_00/normal/a.wav", "mimii/id_00/abnormal/a.wav", "mimii/x/a.wav")
    layout = layout_of(tmp_path / "mimii")
    assert [path.name for path in layout.labels] == ["abnormal", "normal"]
    assert [path.name for path in layout.others] == ["x"]
    make(tmp_path, "plain/good/a.wav", "plain/bad/a.wav")
    assert [path.name for path in layout_of(tmp_path / "plain").labels] == ["bad", "good"]


def test_two_machines_without_an_id_are_two_data_sets(tmp_path: Path) -> None:
    make(tmp_path, "fan/normal/a.wav", "pump/normal/a.wav")
    assert layout_of(tmp_path).labels == ()
    assert data_sets_below(tmp_path, "train") == [tmp_path / "fan", tmp_path / "pump"]


def test_data_sets_are_searched_some_folders_deep(tmp_path: Path) -> None:
    make(tmp_path, "dev_data/raw/fan/train/a.wav", "dev_data/raw/fan/test/a.wav", "a/b/c/d/train/e")
    assert data_sets_below(tmp_path, "test") == [tmp_path / "dev_data/raw/fan"]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_of_a_data_set_has_it_above(part: str, tmp_path: Path) -> None:
    make(tmp_path, "data/train/a.wav", "data/test/a.wav")
    assert data_set_above(tmp_path / "data" / part) == tmp_path / "data"
    assert data_set_above(tmp_path / "data") is None


def test_recordings_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.flac", "c.txt")
    assert n_recordings_in(tmp_path) == 2
    assert n_recordings_in(tmp_path / "missing") == 0
