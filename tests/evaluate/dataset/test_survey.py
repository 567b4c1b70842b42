"""One pass over a data set."""

from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.dataset.survey import (
    MAX_PICTURED_FRAMES,
    MAX_PICTURED_MACHINES,
    survey,
)
from edgeae.runtime.errors import AudioError, ConfigError


def _write_features(folder: Path, machines: int, n_frames: int = 40) -> None:
    (folder / "train").mkdir(parents=True)
    for machine in range(machines):
        frames = np.random.default_rng(machine).normal(-40, 5, (n_frames, 128))
        np.save(folder / "train" / f"normal_id_{machine:02d}_0.npy", frames.astype(np.float32))


def test_recordings_of_both_splits_are_measured(healthy_dataset: Path) -> None:
    result = survey(healthy_dataset)
    assert result.machines == ["id_03"]
    sizes = [
        len(result.of("id_03", split, label))
        for split, label in (("train", "normal"), ("test", "normal"), ("test", "anomaly"))
    ]
    assert sizes == [6, 6, 8]
    assert not result.refused


def test_each_group_has_its_levels_and_one_example(healthy_dataset: Path) -> None:
    result = survey(healthy_dataset)
    groups = {("id_03", "train", "normal"), ("id_03", "test", "normal")}
    groups.add(("id_03", "test", "anomaly"))
    assert result.levels.keys() == result.examples.keys() == groups
    for group in groups:
        n_frames = sum(recording.frames for recording in result.of(*group))
        assert (result.levels[group].counts.sum(axis=1) == n_frames).all()
        file, frames = result.examples[group]
        assert file == result.of(*group)[0].file
        assert len(frames) == result.of(*group)[0].frames


def test_examples_are_bounded_in_number_and_length(tmp_path: Path) -> None:
    _write_features(tmp_path, MAX_PICTURED_MACHINES + 2, MAX_PICTURED_FRAMES + 50)
    result = survey(tmp_path)
    pictured = sorted(machine for machine, *_ in result.examples)
    assert pictured == result.machines[:MAX_PICTURED_MACHINES]
    assert {len(frames) for _, frames in result.examples.values()} == {MAX_PICTURED_FRAMES}


def test_a_file_that_cannot_be_read_is_refused_and_the_others_are_measured(
    tmp_path: Path,
) -> None:
    _write_features(tmp_path, 2)
    (tmp_path / "train" / "normal_id_05_0.wav").write_bytes(b"RIFF nonsense")
    (tmp_path / "train" / "unnamed.wav").write_bytes(b"")
    result = survey(tmp_path)
    assert len(result.recordings) == 2
    without_label, broken = result.refused
    assert "unnamed.wav: no label" in without_label
    assert "normal_id_05_0.wav: not a readable" in broken


def test_a_file_of_two_splits_is_refused_once(tmp_path: Path) -> None:
    """Each split of MIMII's layout scans all folders."""
    folder = tmp_path / "id_00" / "normal"
    folder.mkdir(parents=True)
    for k in range(2):
        np.save(folder / f"{k}.npy", np.full((40, 128), -40, np.float32))
    (folder / "2.npy").write_bytes(b"")
    result = survey(tmp_path)
    assert len(result.recordings) == 2
    assert len(result.refused) == 1


def test_without_any_usable_recording_the_first_reason_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds neither train/"):
        survey(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "normal_0.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match=r"no recording can be used: .*normal_0\.wav"):
        survey(tmp_path)
