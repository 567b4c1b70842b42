"""The AUC over the number of clips that a machine is calibrated on.

The network processes each recording once; then a head is fitted to the windows of some clips and
scores those of the test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Label, Recording, by_machine, by_name, scan
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.system.arrays import Float64

from .metrics import auc_of
from .recording_scores import MachineTest

N_CLIPS = (1, 2, 5, 10, 20, 50)  # sizes of a calibration, where there are so many clips
MAX_CLIPS = N_CLIPS[-1]  # of a machine
# Of each label of a machine, the first by name: more would take much memory and time.
MAX_TEST_RECORDINGS = 100
N_CHOICES = 5  # of clips, for each size but all of them; to fit a head takes 25 ms


@dataclass(frozen=True)
class LearningCurve:
    """The mean AUC over the machines, each calibrated on so many clips."""

    n_clips: Sequence[int]
    aucs: Sequence[Float64]  # (n_choices,) for each number of clips
    n_machines: int


@dataclass(frozen=True)
class MachineFeatures:
    """The features of the test recordings of one machine."""

    machine: str
    head: Head  # whose fleet and kind a calibration keeps
    labels: Sequence[Label]
    features: Sequence[Float64]  # (n_windows, n_features) of each recording


def learning_curve(
    tests: Mapping[str, MachineTest],
    data: Path,
    channel: Channel,
    report: Callable[[str], None],
) -> LearningCurve | None:
    """The curve over up to MAX_CLIPS training recordings of each machine, the first by name.

    None for a head that is not calibrated, for recordings of one label only, or for one clip.

    report: gets a sentence about each recording that cannot be read, which is left out
    """
    train = by_machine(scan(data, "train"))
    able = {
        machine: test
        for machine, test in tests.items()
        if len({score.label for score in test.scores}) == 2
    }
    if not able or any(not test.detector.head.method.is_distance for test in able.values()):
        return None
    features = {machine: machine_features(test, channel) for machine, test in able.items()}
    clips = {
        machine: _clip_windows(test.detector, train[machine], channel, report)
        for machine, test in able.items()
    }
    n_all = min(len(windows) for windows in clips.values())
    if n_all < 2:
        return None
    sizes = [size for size in N_CLIPS if size < n_all] + [n_all]
    aucs = []
    for size in sizes:
        machine_aucs = [
            aucs_with(features[machine], clips[machine][:n_all], size) for machine in able
        ]
        aucs.append(np.mean(machine_aucs, axis=0))
    return LearningCurve(sizes, aucs, len(able))


def _clip_windows(
    detector: Detector,
    train: Sequence[Recording],
    channel: Channel,
    report: Callable[[str], None],
) -> list[Float64]:
    """(n_windows, n_features) of each training recording that can be read."""

    def read(recording: Recording) -> Float64:
        return detector.independent(detector.read(recording.path, channel))

    clips = read_each(by_name(train)[:MAX_CLIPS], read, report, skip_bad=True)
    return [windows for _, windows in clips]


def machine_features(test: MachineTest, channel: Channel) -> MachineFeatures:
    """The features of up to MAX_TEST_RECORDINGS recordings of each label."""
    ordered = by_name(test.recordings)
    normal = [item for item in ordered if item.label == "normal"][:MAX_TEST_RECORDINGS]
    anomalous = [item for item in ordered if item.label == "anomaly"][:MAX_TEST_RECORDINGS]
    recordings = normal + anomalous
    features = [
        np.array([window.features for window in test.detector.read(item.path, channel)])
        for item in recordings
    ]
    labels = [item.label for item in recordings]
    return MachineFeatures(test.scores[0].machine, test.detector.head, labels, features)


def aucs_with(test: MachineFeatures, clips: Sequence[Float64], n_clips: int) -> Float64:
    """(n_choices,) AUC of a machine calibrated on random choices of ``n_clips`` of its ``clips``.

    clips: (n_windows, n_features) of each
    """
    if n_clips == len(clips):
        return np.array([auc_with(test, np.concatenate(clips))])
    rng = np.random.default_rng([n_clips, *test.machine.encode()])
    choices = [rng.choice(len(clips), n_clips, replace=False) for _ in range(N_CHOICES)]
    return np.array(
        [auc_with(test, np.concatenate([clips[k] for k in choice])) for choice in choices]
    )


def auc_with(test: MachineFeatures, windows: Float64) -> float:
    """The AUC of a machine calibrated on these windows (n_windows, n_features)."""
    head = Head.calibrated(test.head.fleet, windows, test.head.kind)
    scores = head.score(np.concatenate(test.features))  # of the windows of all recordings
    lengths = [len(windows) for windows in test.features]
    starts = np.cumsum([0, *lengths])[:-1]
    means = np.add.reduceat(scores, starts) / lengths
    auc, _ = auc_of(means.tolist(), test.labels)
    return auc or 0.0
