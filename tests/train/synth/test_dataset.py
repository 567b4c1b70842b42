"""The synthetic machine: reproducible, plausible, solvable, and not solved by level or mean spectrum.

Sample of the AUCs: 2 seeds x 3 machines, each with 20 healthy clips to learn from, 20 healthy and 20
faulty clips to test (5 of each fault), 4 s each. One AUC per machine, then the mean of the six.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import log_mel
from edgeae.train.synth.dataset import (
    FAULTS,
    KINDS,
    Fault,
    Machine,
    _clip,
    bearing_order,
    fault_band,
    render,
    write_dataset,
)

Array = NDArray[np.float64]

SEEDS = (0, 1)
MACHINES = (0, 1, 2)
CLIPS = 20
SECONDS = 4.0
BANDS = 128


@dataclass(frozen=True)
class Clips:
    """Clips of one machine and kind: what the detectors look at."""

    level: Array  # (n_clips,) dBFS
    peak: Array  # (n_clips,)
    features: (
        Array  # (n_clips, 3 * 128): mean in dB, ln spread over time, ln spread of frame differences
    )


def _features(samples: NDArray[np.float32]) -> Array:
    x = log_mel(samples).astype(float)  # (T, M)
    return np.concatenate(
        [x.mean(0), np.log(x.std(0) + 1e-3), np.log(np.diff(x, axis=0).std(0) + 1e-3)]
    )


def _level(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(float) ** 2)))


def _listen(machine: int, kind: str, seed: int) -> Clips:
    sounds = [_clip(machine, kind, index, SECONDS, seed)[0] for index in range(CLIPS)]
    return Clips(
        level=np.array([_level(x) for x in sounds]),
        peak=np.array([np.abs(x).max() for x in sounds]),
        features=np.array([_features(x) for x in sounds]),
    )


Fleet = dict[tuple[int, int], tuple[Clips, Clips, Clips]]


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """(seed, machine) -> training normals, test normals, test anomalies."""
    keys = [(seed, machine) for seed in SEEDS for machine in MACHINES]
    return {key: tuple(_listen(key[1], kind, key[0]) for kind in KINDS) for key in keys}  # type: ignore[misc]


def _auc(normal: Array, anomaly: Array) -> float:
    labels = np.repeat([0, 1], [len(normal), len(anomaly)])
    return float(roc_auc_score(labels, np.concatenate([normal, anomaly])))


def _whitener(fleet: Fleet, seed: int, machine: int) -> Array:
    """(d, d): whitens deviations as they are within the other machines, ridge .1 on the correlation."""
    others = [fleet[seed, other][0].features for other in MACHINES if other != machine]
    deviations = np.concatenate([x - x.mean(0) for x in others])
    correlation = 0.9 * np.corrcoef(deviations.T) + 0.1 * np.eye(deviations.shape[1])
    return np.asarray(np.linalg.inv(np.linalg.cholesky(correlation)) / deviations.std(0))


def _statistics_scores(fleet: Fleet, seed: int, machine: int) -> tuple[Array, Array]:
    train, normal, anomaly = (clips.features for clips in fleet[seed, machine])
    whitener, center = _whitener(fleet, seed, machine), train[:6].mean(0)
    return tuple((((x - center) @ whitener.T) ** 2).sum(1) for x in (normal, anomaly))


def test_loudness_does_not_tell_a_fault(fleet: Fleet) -> None:
    aucs = [_auc(normal.level, anomaly.level) for _, normal, anomaly in fleet.values()]
    assert np.mean([max(auc, 1 - auc) for auc in aucs]) <= 0.8


@pytest.mark.parametrize("standardised", [False, True])
def test_mean_spectrum_does_not_tell_a_fault(fleet: Fleet, standardised: bool) -> None:
    aucs = []
    for train, *test in fleet.values():
        mean, spread = train.features.mean(0)[:BANDS], train.features.std(0)[:BANDS]
        distances = [
            (((x.features[:, :BANDS] - mean) / (spread if standardised else 1)) ** 2).sum(1)
            for x in test
        ]
        aucs.append(_auc(*distances))
    assert np.mean(aucs) <= 0.8


def test_statistics_over_time_tell_a_fault(fleet: Fleet) -> None:
    assert np.mean([_auc(*_statistics_scores(fleet, *key)) for key in fleet]) >= 0.85


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_heard_by_the_statistics(fleet: Fleet, fault: str) -> None:
    first = list(FAULTS).index(fault)
    scores = [_statistics_scores(fleet, *key) for key in fleet]
    assert (
        np.mean([_auc(normal, anomaly[first :: len(FAULTS)]) for normal, anomaly in scores]) >= 0.75
    )


def test_levels_are_plausible_and_nothing_clips(fleet: Fleet) -> None:
    for clips in (clips for kinds in fleet.values() for clips in kinds):
        assert np.isfinite(clips.features).all()
        assert clips.peak.max() < 0.9
        assert clips.level.min() > -40 and clips.level.max() < -10


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("machine", range(5))
def test_energy_of_a_fault_lies_in_its_band(machine: int, fault: str) -> None:
    drawn = Machine.draw(machine, 3)
    healthy, faulty = (
        render(drawn, np.random.default_rng(7), 4.0, x) for x in (None, Fault(fault))
    )
    power = np.abs(np.fft.rfft(faulty.astype(float) - healthy)) ** 2
    frequency = np.fft.rfftfreq(len(healthy), 1 / 16000)
    low, high = fault_band(drawn, fault)
    assert power[(low <= frequency) & (frequency <= high)].sum() >= 0.8 * power.sum()


def test_fault_grows_with_its_severity_from_nothing() -> None:
    machine = Machine.draw(0, 0)
    for fault in FAULTS:
        healthy, none, half, full = (
            render(machine, np.random.default_rng(1), 1.0, x)
            for x in (None, Fault(fault, 0.0), Fault(fault, 0.5), Fault(fault, 1.0))
        )
        np.testing.assert_array_equal(none, healthy)
        np.testing.assert_allclose(half - healthy, (full - healthy) / 2, atol=1e-6)


@pytest.mark.parametrize("samplerate", [16000, 44100])
def test_clip_has_the_length_asked_for(samplerate: int) -> None:
    samples = render(Machine.draw(0, 0), np.random.default_rng(0), 1.2345, samplerate=samplerate)
    assert samples.shape == (round(1.2345 * samplerate),)
    assert samples.dtype == np.float32


def test_machines_have_characters_of_their_own() -> None:
    drawn = [Machine.draw(machine, seed) for seed in range(3) for machine in range(5)]
    assert len({machine.speed for machine in drawn}) == len(drawn)
    assert Machine.draw(3, 1) == Machine.draw(3, 1)


def test_ball_pass_order_of_a_known_bearing() -> None:
    # SKF 6205 of the Case Western Reserve bearing data: 9 balls, 7.94 mm on a 39.04 mm pitch, BPFO 3.5848 turns
    assert bearing_order(9, 7.94 / 39.04) == pytest.approx(3.585, abs=1e-3)


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


@pytest.mark.parametrize(
    ("kind", "severity", "word"), [("rust", 1.0, "rubbing"), ("bearing", 1.5, "severity")]
)
def test_impossible_fault_is_refused(kind: str, severity: float, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Fault(kind, severity)


def test_too_short_slow_or_negative_is_refused() -> None:
    machine = Machine.draw(0, 0)
    with pytest.raises(ConfigError, match=r"0\.01 s"):
        render(machine, np.random.default_rng(0), 0.01)
    with pytest.raises(ConfigError, match="8000 Hz"):
        render(machine, np.random.default_rng(0), 1.0, samplerate=8000)
    with pytest.raises(ConfigError, match="seed"):
        Machine.draw(0, -1)
