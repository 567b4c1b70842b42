"""A data set is solvable, and not solved by level or mean spectrum.

Sample of the AUCs: 2 seeds x 3 machines, each with 20 healthy clips to learn from, 20 healthy and
20 faulty clips to test (5 of each fault), 4 s each. One AUC per machine, then the mean of the six.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from edgeae.runtime.features.mel import log_mel
from edgeae.train.synth.dataset import CLIP_KINDS, render_clip
from edgeae.train.synth.faults import FAULTS

pytestmark = pytest.mark.slow

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
    # (n_clips, 3 * 128): mean in dB, ln spread over time, ln spread of frame differences
    features: Array


def _features(samples: NDArray[np.float32]) -> Array:
    x = log_mel(samples).astype(float)  # (T, M)
    return np.concatenate(
        [x.mean(0), np.log(x.std(0) + 1e-3), np.log(np.diff(x, axis=0).std(0) + 1e-3)]
    )


def _level(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(float) ** 2)))


def _analyse(machine: int, kind: str, seed: int) -> Clips:
    sounds = [render_clip(machine, kind, index, SECONDS, seed)[0] for index in range(CLIPS)]
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
    return {key: tuple(_analyse(key[1], kind, key[0]) for kind in CLIP_KINDS) for key in keys}  # type: ignore[misc]


def _auc(normal: Array, anomaly: Array) -> float:
    labels = np.repeat([0, 1], [len(normal), len(anomaly)])
    return float(roc_auc_score(labels, np.concatenate([normal, anomaly])))


def _whitener(fleet: Fleet, seed: int, machine: int) -> Array:
    """(d, d): whitens the deviations within the other machines, ridge .1 on the correlation."""
    others = [fleet[seed, other][0].features for other in MACHINES if other != machine]
    deviations = np.concatenate([x - x.mean(0) for x in others])
    correlation = 0.9 * np.corrcoef(deviations.T) + 0.1 * np.eye(deviations.shape[1])
    return np.asarray(np.linalg.inv(np.linalg.cholesky(correlation)) / deviations.std(0))


def _statistics_scores(fleet: Fleet, seed: int, machine: int) -> tuple[Array, Array]:
    train, normal, anomaly = (clips.features for clips in fleet[seed, machine])
    whitener, center = _whitener(fleet, seed, machine), train[:6].mean(0)
    return tuple((((x - center) @ whitener.T) ** 2).sum(1) for x in (normal, anomaly))


def test_loudness_does_not_separate_faults(fleet: Fleet) -> None:
    aucs = [_auc(normal.level, anomaly.level) for _, normal, anomaly in fleet.values()]
    assert np.mean([max(auc, 1 - auc) for auc in aucs]) <= 0.8


@pytest.mark.parametrize("standardised", [False, True])
def test_the_mean_spectrum_does_not_separate_faults(fleet: Fleet, standardised: bool) -> None:
    aucs = []
    for train, *test in fleet.values():
        mean, spread = train.features.mean(0)[:BANDS], train.features.std(0)[:BANDS]
        distances = [
            (((x.features[:, :BANDS] - mean) / (spread if standardised else 1)) ** 2).sum(1)
            for x in test
        ]
        aucs.append(_auc(*distances))
    assert np.mean(aucs) <= 0.8


def test_statistics_over_time_separate_faults(fleet: Fleet) -> None:
    assert np.mean([_auc(*_statistics_scores(fleet, *key)) for key in fleet]) >= 0.85


@pytest.mark.parametrize("fault", FAULTS)
def test_statistics_over_time_separate_every_fault(fleet: Fleet, fault: str) -> None:
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
