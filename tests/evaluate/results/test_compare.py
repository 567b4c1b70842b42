"""Two models on the same recordings."""

from dataclasses import replace

import numpy as np

from edgeae.evaluate.results.compare import compare_models
from edgeae.evaluate.results.evaluation_result import Estimate


def test_a_model_agrees_with_itself(tested):
    found = compare_models(tested, tested)["id_03"]
    assert found.auc == found.other_auc
    assert found.rank_correlation == 1
    assert found.difference == Estimate(0.0)  # every resample says 0
    assert np.array_equal(found.scores[:, 0], [score.score for score in tested["id_03"].scores])


def test_recordings_are_paired_by_their_place_and_others_left_out(tested):
    machine = tested["id_03"]
    order = [5, 3, 0, 9, 8, 7, 13, 12]
    less = replace(
        machine,
        scores=[machine.scores[k] for k in order],
        recordings=[machine.recordings[k] for k in order],
    )
    found = compare_models(tested, {"id_03": less, "id_99": less})
    assert list(found) == ["id_03"]
    assert len(found["id_03"].scores) == len(order)
    assert np.array_equal(*found["id_03"].scores.T)


def test_a_machine_with_one_label_has_scores_but_no_area(tested):
    machine = tested["id_03"]
    normal = [k for k, score in enumerate(machine.scores) if score.label == "normal"]
    only = replace(
        machine,
        scores=[machine.scores[k] for k in normal],
        recordings=[machine.recordings[k] for k in normal],
    )
    found = compare_models({"id_03": only}, tested)["id_03"]
    assert found.auc is None and len(found.scores) == len(normal)
