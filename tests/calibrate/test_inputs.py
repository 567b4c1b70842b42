"""Which recordings the arguments name."""

import json
from pathlib import Path

import pytest

from edgeae.calibrate.inputs import choose_clips, choose_recordings
from edgeae.runtime.errors import ConfigError


def make(folder: Path, *names: str) -> Path:
    """Empty files; only their names matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_is_its_recordings_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b.wav", "a.flac", "notes.txt")
    chosen = choose_recordings([str(tmp_path)], None, None, report=print)
    assert [path.name for path in chosen.paths] == ["a.flac", "b.wav"]
    assert chosen.machine == "default"


def test_a_data_set_is_the_training_recordings_of_one_machine(tmp_path: Path) -> None:
    make(tmp_path / "train", "normal_id_00_0.wav", "normal_id_01_0.wav", "normal_id_01_1.wav")
    make(tmp_path / "test", "normal_id_01_2.wav")
    chosen = choose_recordings([str(tmp_path)], "id_01", 1, report=print)
    assert [path.name for path in chosen.paths] == ["normal_id_01_0.wav"]
    assert chosen.machine == "id_01"


def test_the_only_machine_of_a_folder_needs_no_name(tmp_path: Path) -> None:
    make(tmp_path, "normal_id_03_0.wav")
    assert choose_recordings([str(tmp_path)], None, None, report=print).machine == "id_03"


@pytest.mark.parametrize(
    ("names", "machine", "max_clips", "message"),
    [
        ([], None, None, "holds no recording"),
        (["anomaly_0.wav"], None, None, "the name says anomaly"),
        (
            ["normal_id_00_0.wav", "normal_id_01_0.wav"],
            None,
            None,
            "holds the machines id_00, id_01;",
        ),
        (["normal_id_00_0.wav"], "id_07", None, "holds the machine id_00, not id_07;"),
        (["a.wav", "b.wav"], None, 3, "--clips 3: there are only 2 recordings of default;"),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(
    tmp_path: Path, names: list[str], machine: str | None, max_clips: int | None, message: str
) -> None:
    make(tmp_path, *names)
    with pytest.raises(ConfigError, match=message) as caught:
        choose_recordings([str(tmp_path)], machine, max_clips, report=print)
    assert "\n" not in str(caught.value)


def test_files_of_several_machines_need_a_name(tmp_path: Path) -> None:
    make(tmp_path, "normal_id_00_0.wav", "normal_id_01_0.wav")
    files = sorted(str(path) for path in tmp_path.iterdir())
    with pytest.raises(ConfigError, match="of the machines id_00, id_01; name one of them"):
        choose_recordings(files, None, None, report=print)
    assert choose_recordings(files, "pump-3", None, report=print).machine == "pump-3"


def clip(folder: Path, name: str, machine: str | None) -> None:
    make(folder, f"{name}.flac")
    (folder / f"{name}.json").write_text(json.dumps({"machine": machine}))


def test_the_clips_of_the_machine_are_chosen(tmp_path: Path) -> None:
    clip(tmp_path, "b", "pump-3")
    clip(tmp_path, "a", "fan-1")
    make(tmp_path, "c.wav")
    chosen = choose_clips(tmp_path, "pump-3", None)
    assert [path.name for path in chosen.paths] == ["b.flac", "c.wav"]
    assert chosen.machine == "pump-3"
    assert len(choose_clips(tmp_path, "pump-3", 1).paths) == 1


@pytest.mark.parametrize("max_clips", [None, 1])
def test_a_folder_without_a_clip_of_the_machine_is_refused(
    tmp_path: Path, max_clips: int | None
) -> None:
    clip(tmp_path, "a", "fan-1")
    with pytest.raises(ConfigError, match="holds no clips of pump-3"):
        choose_clips(tmp_path, "pump-3", max_clips)


def test_a_damaged_description_does_not_matter(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    (tmp_path / "a.json").write_text("[1")
    assert len(choose_clips(tmp_path, "pump-3", None).paths) == 1


@pytest.mark.parametrize(
    "name", ["anomaly-01.wav", "Anomaly 2.wav", "ABNORMAL3.wav", "faulty.wav", "anomaly/1.wav"]
)
def test_an_anomaly_is_refused_however_it_is_named(name: str, tmp_path: Path) -> None:
    make(tmp_path, name)
    with pytest.raises(ConfigError, match="says anomaly; calibrate on normal sound only"):
        choose_recordings([str(tmp_path / name)], None, None, report=print)


def test_a_folder_of_anomalies_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "test/faulty/1.wav")
    for folder in ("test/faulty", "test"):
        with pytest.raises(ConfigError, match="the folder says anomaly"):
            choose_recordings([str(tmp_path / folder)], None, None, recursive=True, report=print)


def test_a_name_that_contradicts_its_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "abnormal/speed_normal_0.wav")
    with pytest.raises(ConfigError, match="folder abnormal says anomaly, name speed_normal_0 says"):
        choose_recordings([str(tmp_path / "abnormal")], None, None, report=print)


def test_sub_folders_are_reported_or_read(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "day/b.wav")
    reports: list[str] = []
    chosen = choose_recordings([str(tmp_path)], None, None, report=reports.append)
    assert [path.name for path in chosen.paths] == ["a.wav"]
    assert reports == [f"{tmp_path}: not read: 1 recording in 1 sub-folder (day); add --recursive"]
    chosen = choose_recordings([str(tmp_path)], None, None, recursive=True, report=reports.append)
    assert len(chosen.paths) == 2


def test_a_folder_of_data_sets_names_the_command(tmp_path: Path) -> None:
    make(tmp_path, "ToyCar/train/normal_0.wav", "ToyCar/test/anomaly_0.wav")
    with pytest.raises(ConfigError) as caught:
        choose_recordings([str(tmp_path)], None, None)
    assert str(caught.value).endswith(f"type: edgeae calibrate MODEL {tmp_path / 'ToyCar'}")
