import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.errors import ConfigError
from edgeae.train.synth.dataset import render, write_dataset
from edgeae.train.synth.faults import FAULTS
from edgeae.train.synth.machine import Machine


@pytest.mark.parametrize("samplerate", [16000, 44100])
def test_clip_has_the_length_asked_for(samplerate: int) -> None:
    samples = render(Machine.draw(0, 0), np.random.default_rng(0), 1.2345, samplerate=samplerate)
    assert samples.shape == (round(1.2345 * samplerate),)
    assert samples.dtype == np.float32


def _write(
    folder: Path, train: int = 2, test: int = 1, machines: tuple[int, ...] = (0, 1), seed: int = 5
) -> Path:
    return write_dataset(
        folder,
        machines=machines,
        train_clips=train,
        test_normals=test,
        test_anomalies=4 * test,
        seconds=0.5,
        seed=seed,
    )


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.wav")}


def test_dataset_has_the_names_of_dcase_and_lists_its_faults(tmp_path: Path) -> None:
    folder = _write(tmp_path / "data", machines=(0, 12))
    assert {path.name for path in (folder / "train").iterdir()} == {
        f"normal_id_{machine}_{index:08d}.wav" for machine in ("00", "12") for index in range(2)
    }
    with (folder / "faults.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    anomalies = {str(path.relative_to(folder)) for path in folder.glob("test/anomaly_*")}
    assert {row["file"] for row in rows} == anomalies
    assert [row["fault"] for row in rows] == list(FAULTS) * 2
    assert all(0.4 <= float(row["severity"]) <= 1 for row in rows)
    assert (folder / "test/normal_id_12_00000000.wav").exists()


def test_dataset_is_pcm16_mono_at_16_khz(tmp_path: Path) -> None:
    info = soundfile.info(_write(tmp_path) / "train/normal_id_00_00000000.wav")
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (16000, 1, "PCM_16", 8000)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, second, other = (
        _contents(_write(tmp_path / str(i), seed=seed)) for i, seed in enumerate((5, 5, 6))
    )
    assert first == second
    assert not set(first.values()) & set(other.values())


def test_clip_does_not_depend_on_how_many_or_in_which_order(tmp_path: Path) -> None:
    few = _contents(_write(tmp_path / "few", train=1, machines=(1,)))
    many = _contents(_write(tmp_path / "many", train=3, test=2, machines=(2, 1, 0)))
    assert few == {name: many[name] for name in few}
    assert len(set(many.values())) == len(many)


def test_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").touch()
    with pytest.raises(ConfigError, match="holds files already"):
        _write(tmp_path)


def test_a_clip_too_short_or_of_a_rate_too_low_is_refused() -> None:
    machine = Machine.draw(0, 0)
    with pytest.raises(ConfigError, match=r"0\.01 s"):
        render(machine, np.random.default_rng(0), 0.01)
    with pytest.raises(ConfigError, match="8000 Hz"):
        render(machine, np.random.default_rng(0), 1.0, samplerate=8000)
