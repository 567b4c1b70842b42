"""The scores of a machine as arrays."""

from collections.abc import Mapping

import numpy as np

from edgeae.evaluate.results.recording_scores import MachineTest


def test_arrays_are_in_the_order_of_the_scores(tested: Mapping[str, MachineTest]) -> None:
    test = tested["id_03"]
    assert test.both_scores.shape == (len(test.scores), 2)
    assert np.array_equal(test.both_scores[:, 0], [score.score for score in test.scores])
    assert np.array_equal(test.both_scores[:, 1], [score.no_network for score in test.scores])
    assert test.anomalous.dtype == np.bool_
    assert test.anomalous.tolist() == [item.label == "anomaly" for item in test.recordings]
