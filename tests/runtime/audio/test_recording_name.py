"""What the path of a recording says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.audio.recording_name import (
    is_label_word,
    label_of_folder,
    read_name,
    split_of_folder,
    words_of,
)


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
        ("section_00_source_train_normal_0000_noAttribute.wav", "normal", "section_00"),
        ("section_00_target_test_anomaly_0001_m-n_X.wav", "anomaly", "section_00"),
        ("section_00_0000.wav", None, "section_00"),
        ("Normal_ID_07_1.WAV", "normal", "id_07"),
        ("ID-07 normal.wav", "normal", "id_07"),
        ("id07normal1.wav", "normal", "default"),
        ("abnormal_1.ogg", "anomaly", "default"),
        ("anomalous_1.npy", "anomaly", "default"),
        ("id_00/normal/00000000.wav", "normal", "id_00"),
        ("id_00/abnormal/00000000.wav", "anomaly", "id_00"),
        ("id_00/normal/id_02_00000000.wav", "normal", "id_02"),
        ("00000000.wav", None, "default"),
        ("grid_05_normal.wav", "normal", "default"),
        ("anomaly-01.wav", "anomaly", "default"),
        ("Anomaly 2.wav", "anomaly", "default"),
        ("ANOMALY3.wav", "anomaly", "default"),
        ("4anomaly.wav", "anomaly", "default"),
        ("normal (1).wav", "normal", "default"),
        ("Normal 3.wav", "normal", "default"),
        ("normal-4.wav", "normal", "default"),
        ("normal.5.wav", "normal", "default"),
        ("normal6.wav", "normal", "default"),
        ("PumpNormal07.wav", "normal", "default"),
        ("pumpAnomaly07.wav", "anomaly", "default"),
        ("AbNormal.wav", "anomaly", "default"),
        ("fananomaly.wav", "anomaly", "default"),
        ("abnormally_1.wav", "anomaly", "default"),
        ("speed_normal_abnormal_1.wav", "anomaly", "default"),
        ("normalized_1.wav", None, "default"),
        ("default_1.wav", None, "default"),
        ("not_normal_1.wav", "anomaly", "default"),
        ("non-normal.wav", "anomaly", "default"),
        ("no_anomaly_1.wav", "normal", "default"),
        ("fault-free 2.wav", "normal", "default"),
        ("no3_normal.wav", "normal", "default"),
        ("anomaly_detection_3.wav", None, "default"),
        ("anomaly_detection_normal_3.wav", "normal", "default"),
        ("engine1_good.wav", "normal", "default"),
        ("engine1_broken.wav", "anomaly", "default"),
        ("NG_1.wav", "anomaly", "default"),
        ("pump normal bad.wav", "anomaly", "default"),
        ("bad.wav", None, "default"),  # the file may be
        ("faulty.wav", "anomaly", "default"),
        ("normal_id_03_broken.wav", "normal", "id_03"),  # the label has its place, the file is
        ("normal_id_03_abnormal.wav", "anomaly", "id_03"),
        ("défaut_1.wav", "anomaly", "default"),
        ("異常音1.wav", "anomaly", "default"),
        ("正常1.wav", "normal", "default"),
        ("d\udce9j\udce0_normal.wav", "normal", "default"),
    ],
)
def test_label_and_machine_are_read_from_the_name(
    name: str, label: str | None, machine: str
) -> None:
    reading = read_name(Path("DATA") / name, Path("DATA"))
    assert (reading.label, reading.machine, reading.conflict) == (label, machine, None)


@pytest.mark.parametrize(
    "folder",
    [
        *("anomaly", "Anomalous", "ABNORMAL", "fault", "faulty", "faults", "defect", "broken"),
        *("bad", "bad recordings", "id_00_abnormal", "anomaly (2)", "test_anomaly", "6dB abnormal"),
        *("broken belt", "not ok"),
    ],
)
def test_a_folder_is_a_label(folder: str) -> None:
    assert label_of_folder(folder) == "anomaly"
    assert read_name(Path("DATA", folder, "0.wav"), Path("DATA")).label == "anomaly"


@pytest.mark.parametrize(
    "folder",
    [
        *("anomaly_detection", "fault-diagnosis", "test_an_anomaly_is_refused0", "2026-01-01"),
        *("pump 3 before the normal inspection of may", "defaults"),
    ],
)
def test_the_title_of_a_folder_is_no_label(folder: str) -> None:
    assert label_of_folder(folder) is None


@pytest.mark.parametrize(
    ("path", "conflict"),
    [
        (
            "id_00/abnormal/speed_normal_00.wav",
            "folder abnormal says anomaly, name speed_normal_00 says normal",
        ),
        ("normal/anomaly_1.wav", "folder normal says normal, name anomaly_1 says anomaly"),
        ("normal/faulty/1.wav", "folder normal says normal, folder faulty says anomaly"),
        (
            "train/section_00_source_test_normal_0.wav",
            "folder train says train, name section_00_source_test_normal_0 says test",
        ),
        (
            "target_test/section_00_source_test_normal_0.wav",
            "folder target_test says target, name section_00_source_test_normal_0 says source",
        ),
    ],
)
def test_folder_and_name_that_contradict_each_other_are_a_conflict(
    path: str, conflict: str
) -> None:
    assert read_name(Path("DATA", path), Path("DATA")).conflict == conflict


def test_a_folder_named_after_the_label_alone_outweighs_others() -> None:
    for path, label in (("bad_motor/normal/1.wav", "normal"), ("faulty/low_ok/1.wav", "anomaly")):
        reading = read_name(Path("DATA", path), Path("DATA"))
        assert (reading.label, reading.conflict) == (label, None)


def test_folders_above_the_data_set_are_no_evidence_but_for_the_machine() -> None:
    data = Path("/anomaly/id_04")
    reading = read_name(data / "normal/1.wav", data)
    assert (reading.label, reading.machine, reading.conflict) == ("normal", "id_04", None)
    assert read_name(data / "1.wav").label == "anomaly"


@pytest.mark.parametrize(
    ("folder", "split", "domain"),
    [
        ("train", "train", None),
        ("Training data", "train", None),
        ("TEST", "test", None),
        ("source_test", "test", "source"),
        ("target-test", "test", "target"),
        ("eval_data", None, None),
        ("train_test", None, None),
        ("test bench", None, None),
    ],
)
def test_a_folder_is_a_split(folder: str, split: str | None, domain: str | None) -> None:
    assert split_of_folder(folder) == split
    reading = read_name(Path("DATA", folder, "1.wav"), Path("DATA"))
    assert (reading.split, reading.domain) == (split, domain)


def test_it_explains_what_it_read() -> None:
    path = Path("DATA/source_test/abnormal/id_02_3.wav")
    assert read_name(path, Path("DATA")).explain() == (
        "folder abnormal: anomaly, name id_02_3: machine id_02, folder source_test: test, "
        "folder source_test: source domain"
    )
    assert read_name(Path("DATA/1.wav"), Path("DATA")).explain() == "the path says nothing"


def test_words_are_split_at_capitals_and_digits() -> None:
    assert words_of("PumpNormal-03 (1)") == ["pump", "normal", "03", "1"]
    assert words_of("AbNormal") == ["abnormal"]
    assert is_label_word("abnormal")
    assert not is_label_word("pump")


NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=()), min_size=1)
WORDS = st.sampled_from(
    [
        *("normal", "abnormal", "not", "no", "free", "id", "section", "_", " ", "(", "3", "03"),
        *("train", "test", "source", "target", "Normal", "ANOMALY", "detection", "異常", "\udcff"),
    ]
)
PARTS = st.one_of(NAMES, st.lists(WORDS, min_size=1).map("".join))


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_any_path_gives_a_label_a_question_or_a_refusal(parts: list[str]) -> None:
    for data in (None, Path("DATA")):
        reading = read_name(Path("DATA", *parts), data)
        assert reading.label in ("normal", "anomaly", None)
        assert reading.split in ("train", "test", None)
        assert reading.domain in ("source", "target", None)
        assert reading.machine
        assert reading.explain()
        assert reading.conflict is None or " says " in reading.conflict


@given(PARTS, st.sampled_from(["anomaly", "abnormal", "faulty", "Defect", "BROKEN", "bad"]))
def test_a_word_for_anomaly_is_never_taken_for_normal(name: str, word: str) -> None:
    reading = read_name(Path("DATA", f"{name} with_{word}_3.wav"), Path("DATA"))
    assert reading.label == "anomaly" or reading.conflict
