import json
import os
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.path_text import path_text
from edgeae.train.run_folder import (
    Metrics,
    RecordedFile,
    best_checkpoint,
    checkpoints_by_loss,
    claim_folder,
    data_folder_of,
    data_folder_or_default,
    epoch_of,
    is_complete,
    metrics_record,
    point_latest,
    record_data,
    run_to_resume,
    training_lock,
    validation_files,
    write_metrics,
)

RECORDINGS = [
    RecordedFile("id_00/normal/0.wav", "id_00", "a" * 64, "validation"),
    RecordedFile("id_02/normal/0.wav", "id_02", "b" * 64, "fit"),
]


def test_the_best_checkpoint_has_the_smallest_validation_loss(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    names = ("epoch000-val_loss0.900000", "epoch002-val_loss0.100000-v1", "epoch003-val_loss0.5")
    for name in (*names, "last"):
        (folder / f"{name}.ckpt").touch()
    assert best_checkpoint(tmp_path).name == "epoch002-val_loss0.100000-v1.ckpt"


def test_a_folder_without_a_finished_epoch_has_no_best_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint"):
        best_checkpoint(tmp_path)


def test_the_data_set_is_read_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    record_data(tmp_path, data, RECORDINGS)
    assert data_folder_of(tmp_path) == data


def test_a_run_without_a_record_began_with_the_folder_data(tmp_path: Path) -> None:
    assert data_folder_or_default(tmp_path) == Path("data")


@pytest.mark.parametrize("content", [None, "{}", "[]", "not JSON", '{"folder": 3}'])
def test_a_run_that_does_not_say_its_data_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "data.json").write_text(content)
    with pytest.raises(ConfigError, match=r"does not say .* --data DATA"):
        data_folder_of(tmp_path)
    assert validation_files(tmp_path, Path("data")) == frozenset()


def test_data_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({"folder": str(tmp_path / "gone")}))
    with pytest.raises(ConfigError, match=r"was trained on .*gone, which does not exist any more"):
        data_folder_of(tmp_path)


def test_recordings_that_validated_are_identified_by_their_place_not_their_name(
    tmp_path: Path,
) -> None:
    """MIMII gives the recordings of every machine the same names."""
    record_data(tmp_path, Path("data"), RECORDINGS)
    assert validation_files(tmp_path, Path("data")) == {Path("data/id_00/normal/0.wav")}


def test_a_run_keeps_its_recordings(tmp_path: Path) -> None:
    record_data(tmp_path, Path("data"), RECORDINGS)
    record_data(tmp_path, Path("data"), RECORDINGS[::-1])
    with pytest.raises(ConfigError, match="not the recordings"):
        record_data(tmp_path, Path("data"), RECORDINGS[:1])


def test_a_damaged_record_is_not_that_of_the_recordings(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(ConfigError, match="not the recordings"):
        record_data(tmp_path, Path("data"), RECORDINGS)


def test_metrics_mark_a_run_as_complete(tmp_path: Path) -> None:
    assert not is_complete(tmp_path)
    metrics = Metrics(0.5, 1, 3, 2.0, 100, 1e6, {"torch": "2"})
    write_metrics(tmp_path, metrics)
    assert is_complete(tmp_path)
    assert metrics_record(tmp_path) == metrics


@pytest.mark.parametrize("content", [None, "{}", "[]", "not JSON", '{"val_loss": "low"}'])
def test_damaged_metrics_are_no_metrics(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    assert metrics_record(tmp_path) is None


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    claim_folder(run, resume=False)
    (run / "cache").mkdir()
    claim_folder(run, resume=False)
    (run / "config.yaml").touch()
    with pytest.raises(ConfigError, match="exists already; resume it with --resume"):
        claim_folder(run, resume=False)
    claim_folder(run, resume=True)


def test_latest_is_resumed_under_the_name_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/mine")
    run.mkdir(parents=True)
    with pytest.raises(ConfigError, match="runs/latest: no run to resume"):
        run_to_resume(None)
    point_latest(run)
    (run / "config.yaml").touch()
    assert run_to_resume(None) == run
    assert run_to_resume(run) == run


def test_latest_does_not_point_outside_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    point_latest(tmp_path / "elsewhere")
    assert not Path("runs/latest").is_symlink()


def test_names_that_are_not_utf8_come_back_from_the_record(tmp_path: Path) -> None:
    data = tmp_path / os.fsdecode(b"d\xe9faut")
    data.mkdir()
    name = os.fsdecode(b"train/\xff.wav")
    run = tmp_path / "run"
    run.mkdir()
    record_data(run, data, [RecordedFile(path_text(name), "id_00", "0", "validation")])
    (run / "data.json").read_bytes().decode("utf-8")
    assert "udc" not in (run / "data.json").read_text()
    assert data_folder_of(run) == data
    assert validation_files(run, data) == {data / name}
    with pytest.raises(ConfigError, match="not UTF-8"):
        claim_folder(data / "run", resume=False)


def test_checkpoints_are_ordered_by_their_loss(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("epoch001-val_loss0.3.ckpt", "epoch002-val_loss0.1.ckpt", "last.ckpt"):
        (folder / name).touch()
    names = [path.name for path in checkpoints_by_loss(tmp_path)]
    assert names == ["epoch002-val_loss0.1.ckpt", "epoch001-val_loss0.3.ckpt"]


def test_one_training_at_a_time_is_in_a_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    claim_folder(run, resume=False)
    with (
        training_lock(run),
        pytest.raises(ConfigError, match="a training is running in it"),
        training_lock(run),
    ):
        pass
    with training_lock(run):
        claim_folder(run, resume=False)  # the lock itself is no other run


def test_checkpoints_named_as_in_origin_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("model-epoch=00-val_loss=0.3000", "model-epoch=12-val_loss=0.2000", "last"):
        (folder / f"{name}.ckpt").touch()
    best = best_checkpoint(tmp_path)
    assert best.name == "model-epoch=12-val_loss=0.2000.ckpt"
    assert epoch_of(best) == 12
