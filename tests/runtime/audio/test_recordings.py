"""Splits, labels and machines read from names."""

from itertools import product
from pathlib import Path

import pytest

from edgeae.runtime.audio.recordings import (
    Recording,
    SplitName,
    by_machine,
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


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff", ".npy", ".WAV"])
def test_every_kind_of_file_is_found(suffix: str, tmp_path: Path) -> None:
    make(tmp_path, f"train/normal_00{suffix}")
    assert names(scan(tmp_path, "train")) == [f"normal_00{suffix}"]


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
    assert "no .wav, .flac, .ogg, " in refusal(tmp_path)


def test_a_folder_without_the_split_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav")
    assert "holds neither test/ nor MIMII folders" in refusal(tmp_path, "test")


@pytest.mark.parametrize("name", ["missing", "train/normal_00.wav"])
def test_what_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    make(tmp_path, "train/normal_00.wav")
    assert "no such folder" in refusal(tmp_path / name)


def test_folders_of_labels_are_read_within_a_split(tmp_path: Path) -> None:
    make(tmp_path, "train/normal/0.wav", "test/normal/0.wav", "test/Anomaly/0.wav")
    assert [item.label for item in scan(tmp_path, "train")] == ["normal"]
    assert sorted(item.label for item in scan(tmp_path, "test")) == ["anomaly", "normal"]


def test_recordings_of_several_days_are_read_within_a_split(tmp_path: Path) -> None:
    make(tmp_path, "train/normal_0.wav", "train/2026-01-01/normal_1.wav", "train/a/b/normal_2.wav")
    assert len(scan(tmp_path, "train")) == 3


@pytest.mark.parametrize("word", ["abnormal", "anomaly", "Anomalous", "FAULT", "faulty", "broken"])
def test_mimii_has_any_word_for_anomaly(word: str, tmp_path: Path) -> None:
    make(tmp_path, "id_00/normal/0.wav", "id_00/normal/1.wav", f"id_00/{word}/0.wav")
    assert [item.label for item in scan(tmp_path, "train")] == ["normal"]
    assert sorted(item.label for item in scan(tmp_path, "test")) == ["anomaly", "normal"]


def test_folders_of_labels_need_no_machine(tmp_path: Path) -> None:
    make(tmp_path, "ok/0.wav", "ok/1.wav", "NG/0.wav")
    assert [item.machine for item in scan(tmp_path, "train")] == ["default"]
    assert len(scan(tmp_path, "test")) == 2


def test_dcase_2021_has_two_tests_with_domains(tmp_path: Path) -> None:
    make(
        tmp_path,
        "train/section_00_target_train_normal_0000_A1.wav",
        "source_test/section_00_source_test_normal_0000.wav",
        "target_test/section_00_target_test_anomaly_0000.wav",
    )
    assert [item.domain for item in scan(tmp_path, "train")] == ["target"]
    assert [(item.label, item.domain, item.machine) for item in scan(tmp_path, "test")] == [
        ("normal", "source", "section_00"),
        ("anomaly", "target", "section_00"),
    ]


def test_a_folder_and_a_name_that_contradict_are_refused_with_their_count(tmp_path: Path) -> None:
    make(tmp_path, "id_00/normal/0.wav", *(f"id_00/abnormal/speed_normal_{i}.wav" for i in "01"))
    message = refusal(tmp_path)
    assert "speed_normal_0.wav and 1 more: folder abnormal says anomaly, " in message
    assert "name speed_normal_0 says normal" in message


def test_a_test_recording_in_the_training_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/section_00_source_test_normal_0000.wav")
    assert "folder train says train, name section_00_source_test" in refusal(tmp_path)


def test_unlabelled_recordings_are_one_message_with_their_count(tmp_path: Path) -> None:
    make(tmp_path, *(f"test/section_00_{i:04d}.wav" for i in range(5)))
    message = refusal(tmp_path, "test")
    assert "section_00_0000.wav and 4 more: no label in the name" in message
    assert f"edgeae run MODEL {tmp_path / 'test'}" in message


def test_a_folder_of_data_sets_names_them_and_the_command(tmp_path: Path) -> None:
    make(tmp_path, "raw/ToyCar/train/normal_0.wav", "raw/ToyTrain/train/normal_0.wav")
    with pytest.raises(ConfigError) as caught:
        scan(tmp_path, "train", command="edgeae inspect")
    assert "but raw/ToyCar/, raw/ToyTrain/ do; " in str(caught.value)
    assert str(caught.value).endswith(f"type: edgeae inspect {tmp_path / 'raw/ToyCar'}")


def test_a_part_of_a_data_set_names_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "data/train/normal_0.wav")
    assert refusal(tmp_path / "data/train").endswith(f"type: edgeae train {tmp_path / 'data'}")
    monkeypatch.chdir(tmp_path)
    assert refusal(Path("data/train")).endswith("type: edgeae train data")


def test_a_flat_folder_of_recordings_says_what_can_be_done(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav")
    message = refusal(tmp_path, "test")
    assert "but 2 recordings; put normal ones into" in message
    assert message.endswith(f"edgeae run MODEL {tmp_path}")


def test_what_is_not_read_is_reported(tmp_path: Path) -> None:
    make(
        tmp_path,
        "train/normal_0.wav",
        "train/normal_1.m4a",
        "train/._normal_0.wav",
        "train/.DS_Store",
        "test/normal_0.wav",
        "more.wav",
        "validation/normal_0.wav",
    )
    messages: list[str] = []
    assert names(scan(tmp_path, "train", report=messages.append)) == ["normal_0.wav"]
    assert [message.partition(": not read: ")[2] for message in messages] == [
        "1 file in another format (normal_1.m4a); convert to WAV, FLAC, OGG, MP3 or AIFF",
        "1 recordings beside train/ and test/",
        "1 recordings in validation/, which is neither a split nor a label",
    ]
