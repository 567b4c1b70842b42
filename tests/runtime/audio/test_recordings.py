"""Splits, labels and machines read from names."""

from itertools import product
from pathlib import Path

import pytest

from edgeae.runtime.audio.recordings import (
    Recording,
    SplitName,
    audio_files,
    by_machine,
    label_of,
    machine_of,
    scan,
)
from edgeae.runtime.errors import ConfigError


def make(folder: Path, *names: str) -> Path:
    """Empty files; what is in them does not matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(recordings: list[Recording]) -> list[str]:
    return [recording.path.name for recording in recordings]


@pytest.mark.parametrize(
    ("name", "label", "machine"),
    [
        ("normal_00.wav", "normal", "default"),
        ("anomaly_00.wav", "anomaly", "default"),
        ("normal_id_03_00000012.wav", "normal", "id_03"),
        ("anomaly_id_03_00000012.wav", "anomaly", "id_03"),
        ("section_00_source_train_normal_0000_strength_1_ambient.wav", "normal", "section_00"),
        ("section_01_target_test_anomaly_0001_vel_6V.wav", "anomaly", "section_01"),
        ("section_02_source_test_normal_0049.flac", "normal", "section_02"),
        ("Normal_ID_07_1.WAV", "normal", "id_07"),
        ("abnormal_1.ogg", "anomaly", "default"),
        ("anomalous_1.npy", "anomaly", "default"),
        ("id_00/normal/00000000.wav", "normal", "id_00"),
        ("id_00/abnormal/00000000.wav", "anomaly", "id_00"),
        ("id_00/normal/id_02_00000000.wav", "normal", "id_02"),
        ("normal/anomaly_1.wav", "anomaly", "default"),
        ("abnormally_1.wav", None, "default"),
        ("00000000.wav", None, "default"),
        ("grid_05_normal.wav", "normal", "default"),
    ],
)
def test_label_and_machine_are_read_from_the_name(
    name: str, label: str | None, machine: str
) -> None:
    assert (label_of(Path(name)), machine_of(Path(name))) == (label, machine)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".npy", ".WAV"])
def test_every_kind_of_file_is_found(suffix: str, tmp_path: Path) -> None:
    make(tmp_path, f"train/normal_00{suffix}")
    assert names(scan(tmp_path, "train")) == [f"normal_00{suffix}"]


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


def test_splits_are_folders(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav", "test/normal_01.wav", "test/anomaly_00.wav")
    assert names(scan(tmp_path, "train")) == ["normal_00.wav"]
    assert [(item.path.name, item.label) for item in scan(str(tmp_path), "test")] == [
        ("anomaly_00.wav", "anomaly"),
        ("normal_01.wav", "normal"),
    ]


def test_recordings_are_sorted_by_machine_and_name(tmp_path: Path) -> None:
    for label, machine, k in product(("normal", "anomaly"), ("id_05", "id_03"), (2, 0, 1)):
        make(tmp_path, f"test/{label}_{machine}_{k}.wav")
    recordings = scan(tmp_path, "test")
    assert recordings == sorted(recordings, key=lambda item: (item.machine, item.path.name))
    assert [item.machine for item in recordings] == ["id_03"] * 6 + ["id_05"] * 6


def test_groups_by_machine_keep_the_order(tmp_path: Path) -> None:
    make(
        tmp_path / "train",
        *(f"normal_{name}.wav" for name in ("id_05_0", "id_03_1", "id_03_0", "0")),
    )
    groups = by_machine(reversed(scan(tmp_path, "train")))
    assert {machine: names(group) for machine, group in groups.items()} == {
        "default": ["normal_0.wav"],
        "id_03": ["normal_id_03_1.wav", "normal_id_03_0.wav"],
        "id_05": ["normal_id_05_0.wav"],
    }
    assert list(groups) == ["default", "id_03", "id_05"]


def mimii(folder: Path, machine: str, normals: int, anomalies: int) -> Path:
    make(folder, *(f"{machine}/normal/{i:08d}.wav" for i in range(normals)))
    return make(folder, *(f"{machine}/abnormal/{i:08d}.wav" for i in range(anomalies)))


def test_mimii_tests_on_as_many_normals_as_anomalies_the_last_by_name(tmp_path: Path) -> None:
    mimii(tmp_path, "id_00", normals=10, anomalies=3)
    train = scan(tmp_path, "train")
    test = scan(tmp_path, "test")
    assert names(train) == [f"{i:08d}.wav" for i in range(7)]
    assert names([item for item in test if item.label == "normal"]) == [
        f"{i:08d}.wav" for i in (7, 8, 9)
    ]
    assert len(test) == 6


def test_mimii_trains_on_at_least_half_of_the_normals(tmp_path: Path) -> None:
    mimii(tmp_path, "id_00", normals=7, anomalies=30)
    assert len(scan(tmp_path, "train")) == 4
    assert len(scan(tmp_path, "test")) == 33


def test_mimii_splits_each_machine(tmp_path: Path) -> None:
    mimii(tmp_path, "id_00", normals=10, anomalies=2)
    mimii(tmp_path, "id_04", normals=6, anomalies=1)
    assert {
        machine: len(items) for machine, items in by_machine(scan(tmp_path, "train")).items()
    } == {
        "id_00": 8,
        "id_04": 5,
    }


def test_mimii_splits_share_no_recording(tmp_path: Path) -> None:
    mimii(tmp_path, "id_00", normals=9, anomalies=4)
    train, test = ({item.path for item in scan(tmp_path, split)} for split in ("train", "test"))
    assert not train & test
    assert len(train | test) == 13


def refusal(folder: Path, split: SplitName = "train") -> str:
    with pytest.raises(ConfigError) as caught:
        scan(folder, split)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    return str(caught.value)


def test_a_name_without_label_is_refused_with_examples(tmp_path: Path) -> None:
    make(tmp_path, "train/recording.wav")
    message = refusal(tmp_path)
    assert "recording.wav: no label in the name" in message
    assert "normal_00.wav" in message


def test_an_anomaly_in_train_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav", "train/anomaly_00.wav")
    assert "anomaly_00.wav: an anomaly among the training recordings" in refusal(tmp_path)


def test_refused_names_are_left_out_where_the_caller_takes_the_sentences(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav", "train/recording.wav", "train/anomaly_00.wav")
    sentences: list[str] = []
    assert names(scan(tmp_path, "train", sentences.append)) == ["normal_00.wav"]
    assert [sentence.partition(": ")[2].partition(" ")[0] for sentence in sentences] == ["no", "an"]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/readme.txt")
    assert "no .wav, .flac, .ogg, .npy file for train" in refusal(tmp_path)


def test_a_folder_without_the_split_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav")
    assert "holds neither test/ nor MIMII folders" in refusal(tmp_path, "test")


@pytest.mark.parametrize("name", ["missing", "train/normal_00.wav"])
def test_what_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav")
    assert "no such folder" in refusal(tmp_path / name)
