"""How many clips of normal sound does a calibration need? The AUC over their number.

The network hears each recording once; a head is fitted to the windows of some clips and scores those of the test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_machine, by_name, scan
from edgeae.runtime.scoring.head import Head
from edgeae.runtime.system.arrays import Float64

from .metrics import auc_of
from .summary import Tested

SIZES = (1, 2, 5, 10, 20, 50)  # clips
MOST = SIZES[-1]  # clips of a machine that are heard
TESTED = 100  # test recordings of each label of a machine, the first by name: more would take memory and time
CHOICES = 5  # of clips, for each size but all; a head takes 25 ms to fit


@dataclass(frozen=True)
class Learning:
    """The mean AUC over the machines, calibrated on so many clips each."""

    clips: list[int]
    aucs: list[Float64]  # (n_choices,) for each number of clips
    machines: int


def learning(
    tested: Mapping[str, Tested], data: Path, channel: Channel, report: Callable[[str], None]
) -> Learning | None:
    """From up to MOST training recordings of each machine, the first by name; None where there is nothing to learn.

    A recording that cannot be read is told to ``report`` and left out.
    """
    train = by_machine(scan(data, "train"))
    able = {
        machine: found
        for machine, found in tested.items()
        if len({score.label for score in found.scores}) == 2
    }
    if not able or any(found.detector.head.kind == "mse" for found in able.values()):
        return None
    tests = {machine: test_of(found, channel) for machine, found in able.items()}
    heard = {
        machine: _windows(found, train[machine], channel, report) for machine, found in able.items()
    }
    most = min(map(len, heard.values()))
    heard = {machine: clips[:most] for machine, clips in heard.items()}
    clips = [size for size in SIZES if size < most] + [most]
    aucs = [np.mean([chosen(tests[m], heard[m], size) for m in able], axis=0) for size in clips]
    return Learning(clips, aucs, len(able)) if most > 1 else None


def _windows(
    found: Tested, train: Sequence[Recording], channel: Channel, report: Callable[[str], None]
) -> list[Float64]:
    first = by_name(train)[:MOST]
    hear = found.detector
    read = read_each(
        first, lambda clip: hear.independent(hear.read(clip.path, channel)), report, skip_bad=True
    )
    return [windows for _, windows in read]


@dataclass(frozen=True)
class Test:
    """The test recordings of one machine, heard by its network."""

    machine: str
    head: Head  # whose fleet and kind a calibration keeps
    labels: list[str]
    features: list[Float64]  # (n_windows, size) of each


def test_of(found: Tested, channel: Channel) -> Test:
    """Up to TESTED recordings of each label."""
    ordered = by_name(found.recordings)
    labels = ("normal", "anomaly")
    first = [r for label in labels for r in [r for r in ordered if r.label == label][:TESTED]]
    hear = found.detector
    heard = [np.array([window.features for window in hear.read(r.path, channel)]) for r in first]
    return Test(found.scores[0].machine, hear.head, [r.label for r in first], heard)


def chosen(test: Test, clips: Sequence[Float64], size: int) -> Float64:
    """(n_choices,) AUC of a machine calibrated on ``size`` of its ``clips`` (n_windows, size of one)."""
    rng = np.random.default_rng([size, *test.machine.encode()])
    whole = size == len(clips)
    choices = (
        [range(size)]
        if whole
        else [rng.choice(len(clips), size, replace=False) for _ in range(CHOICES)]
    )
    return np.array([auc(test, np.concatenate([clips[k] for k in choice])) for choice in choices])


def auc(test: Test, windows: Float64) -> float:
    """The AUC of a machine calibrated on these windows (n, size)."""
    head = Head.calibrated(test.head.fleet, windows, test.head.kind)
    scores = head.score(np.concatenate(test.features))  # of all windows, in order
    lengths = [len(windows) for windows in test.features]
    starts = np.cumsum([0, *lengths])[:-1]
    means = np.add.reduceat(scores, starts) / lengths
    area, _ = auc_of(means.tolist(), test.labels)
    return area or 0.0
