"""The curve over calibration clips is that of calibrations one could have made."""

from dataclasses import replace

import numpy as np
import pytest

from edgeae.evaluate.results.learning_curve import (
    N_CHOICES,
    auc_with,
    aucs_with,
    learning_curve,
    machine_features,
)
from edgeae.evaluate.results.metrics import auc_of
from edgeae.runtime.audio.recordings import by_machine, scan


def test_the_first_clips_by_name_give_the_auc_of_the_evaluation(trained, tested):
    from edgeae.evaluate.results.scores import calibration_windows

    machine = tested["id_03"]
    clips = by_machine(scan(trained.new, "train"))["id_03"]
    windows = calibration_windows(machine.detector, clips, 5, 0, print, skip_bad=False)
    scores = machine.scores
    expected = auc_of([score.score for score in scores], [score.label for score in scores])[0]
    assert auc_with(machine_features(machine, 0), windows) == pytest.approx(expected, abs=1e-12)


def test_sizes_end_with_all_clips_and_every_size_but_that_has_choices(trained, tested):
    found = learning_curve(tested, trained.new, 0, print)
    assert found.n_clips == [1, 2, 5, 6]
    assert [len(aucs) for aucs in found.aucs] == [N_CHOICES] * 3 + [1]
    assert found.aucs[-1][0] >= found.aucs[0].min()


def test_choices_are_the_same_every_time(tested):
    rng = np.random.default_rng(0)
    test = machine_features(tested["id_03"], 0)
    size = len(test.head.mean)
    clips = [rng.standard_normal((2, size)) for _ in range(4)]
    assert np.array_equal(aucs_with(test, clips, 2), aucs_with(test, clips, 2))


def test_there_is_no_curve_where_calibration_changes_nothing_or_nothing_can_be_ranked(
    trained, tested
):
    machine = tested["id_03"]
    normal = [k for k, score in enumerate(machine.scores) if score.label == "normal"]
    only = replace(
        machine,
        scores=[machine.scores[k] for k in normal],
        recordings=[machine.recordings[k] for k in normal],
    )
    assert learning_curve({"id_03": only}, trained.new, 0, print) is None
    by_energy = replace(machine, detector=machine.detector.with_kind("mse"))
    assert learning_curve({"id_03": by_energy}, trained.new, 0, print) is None


def test_machines_with_other_numbers_of_clips_share_the_axis(trained, tested, tmp_path):
    machine = tested["id_03"]
    (tmp_path / "train").mkdir()
    for name, first in (("id_03", 0), ("id_04", 3)):
        for number, path in enumerate(sorted((trained.new / "train").glob("*.wav"))[first:]):
            (tmp_path / "train" / f"normal_{name}_{number:08d}.wav").symlink_to(path)
    found = learning_curve({"id_03": machine, "id_04": machine}, tmp_path, 0, print)
    assert found.n_clips == [1, 2, 3]
    assert [len(aucs) for aucs in found.aucs] == [N_CHOICES, N_CHOICES, 1]
