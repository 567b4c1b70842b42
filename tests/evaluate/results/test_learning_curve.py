"""The curve over calibration clips is that of calibrations one could have made."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.calibration_clips import read_clips, windows_of
from edgeae.evaluate.results.learning_curve import (
    N_CHOICES,
    auc_with,
    aucs_with,
    learning_curve,
    machine_features,
)
from edgeae.evaluate.results.metrics import auc_of
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.audio.recordings import by_machine, scan
from tests.conftest import Trained


@pytest.fixture(scope="module")
def machine(tested: Mapping[str, MachineTest]) -> MachineTest:
    return tested["id_03"]


def test_the_first_clips_by_name_give_the_auc_of_the_evaluation(
    trained: Trained, machine: MachineTest
) -> None:
    clips = by_machine(scan(trained.new, "train"))["id_03"]
    read = read_clips(machine.detector, clips, 5, 0, print, skip_bad=False)
    windows = windows_of(machine.detector, read)
    scores = machine.scores
    expected, _ = auc_of([score.score for score in scores], [score.label for score in scores])
    assert auc_with(machine_features(machine, 0), windows) == pytest.approx(expected, abs=1e-12)


def test_sizes_end_with_all_clips_and_every_size_but_that_has_choices(
    trained: Trained, machine: MachineTest
) -> None:
    curve = learning_curve({"id_03": machine}, trained.new, 0, print)
    assert curve is not None
    assert curve.n_clips == [1, 2, 5, 6]
    assert [len(aucs) for aucs in curve.aucs] == [N_CHOICES] * 3 + [1]
    assert curve.aucs[-1][0] >= curve.aucs[0].min()


def test_choices_are_the_same_every_time(machine: MachineTest) -> None:
    rng = np.random.default_rng(0)
    features = machine_features(machine, 0)
    clips = [rng.standard_normal((2, len(features.head.mean))) for _ in range(4)]
    assert np.array_equal(aucs_with(features, clips, 2), aucs_with(features, clips, 2))


def test_there_is_no_curve_where_calibration_changes_nothing_or_nothing_can_be_ranked(
    trained: Trained, machine: MachineTest
) -> None:
    normal = [k for k, score in enumerate(machine.scores) if score.label == "normal"]
    only_normal = replace(
        machine,
        scores=[machine.scores[k] for k in normal],
        recordings=[machine.recordings[k] for k in normal],
    )
    assert learning_curve({"id_03": only_normal}, trained.new, 0, print) is None
    by_energy = replace(machine, detector=machine.detector.with_kind("mse"))
    assert learning_curve({"id_03": by_energy}, trained.new, 0, print) is None


def test_one_clip_is_no_curve(trained: Trained, machine: MachineTest, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    clip = next((trained.new / "train").glob("*.wav"))
    (tmp_path / "train" / clip.name).symlink_to(clip)
    assert learning_curve({"id_03": machine}, tmp_path, 0, print) is None


def test_machines_with_other_numbers_of_clips_share_the_axis(
    trained: Trained, machine: MachineTest, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    for name, first in (("id_03", 0), ("id_04", 3)):
        for number, path in enumerate(sorted((trained.new / "train").glob("*.wav"))[first:]):
            (tmp_path / "train" / f"normal_{name}_{number:08d}.wav").symlink_to(path)
    curve = learning_curve({"id_03": machine, "id_04": machine}, tmp_path, 0, print)
    assert curve is not None and curve.n_machines == 2
    assert curve.n_clips == [1, 2, 3]
    assert [len(aucs) for aucs in curve.aucs] == [N_CHOICES, N_CHOICES, 1]
