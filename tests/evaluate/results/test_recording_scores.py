"""The scores of a machine as arrays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.recording_scores import MachineTest, RecordingScore
from edgeae.runtime.audio.recordings import Recording


def test_arrays_are_in_the_order_of_the_scores(tested: Mapping[str, MachineTest]) -> None:
    test = tested["id_03"]
    assert test.both_scores.shape == (len(test.scores), 2)
    assert np.array_equal(test.both_scores[:, 0], [score.score for score in test.scores])
    assert np.array_equal(test.both_scores[:, 1], [score.no_network for score in test.scores])
    assert test.anomalous.dtype == np.bool_
    assert test.anomalous.tolist() == [item.label == "anomaly" for item in test.recordings]


@pytest.mark.parametrize(
    ("above", "anomaly", "daily"), [(-0.1, False, False), (0.0, False, False), (0.1, True, False)]
)
def test_an_anomaly_scores_above_the_threshold(
    tested: Mapping[str, MachineTest], above: float, anomaly: bool, daily: bool
) -> None:
    """Above, not at it, as in `edgeae run`."""
    threshold = tested["id_03"].detector.threshold
    higher = replace(threshold, value=threshold.value + 0.1)
    recording = Recording(Path("test", "a.wav"), "normal", "id_03")
    value = threshold.value + above
    score = RecordingScore.of(recording, value, 0.0, threshold, higher)
    assert (score.file, score.machine, score.label) == ("a.wav", "id_03", "normal")
    assert (score.anomaly, score.anomaly_1_per_day) == (anomaly, daily)
    assert RecordingScore.of(recording, value, 0.0, None, None).anomaly is None
