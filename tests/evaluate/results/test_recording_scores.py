"""The scores of a machine as arrays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.results.recording_scores import MachineTest, RecordingScore, Scores
from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.errors import ArtifactError


def test_arrays_are_in_the_order_of_the_scores(tested: Mapping[str, MachineTest]) -> None:
    test = tested["id_03"]
    assert test.both_scores.shape == (len(test.scores), 2)
    assert np.array_equal(test.both_scores[:, 0], [score.score for score in test.scores])
    assert np.array_equal(test.both_scores[:, 1], [score.no_network for score in test.scores])
    assert test.anomalous.dtype == np.bool_
    assert test.anomalous.tolist() == [item.label == "anomaly" for item in test.recordings]


def _scores(value: float, threshold: float) -> Scores:
    """The scores of a recording of one window."""
    return Scores(value, 0.0, value, value > threshold, n_windows=1, n_not_judged=0)


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
    score = RecordingScore.of(recording, _scores(value, threshold.value), threshold, higher)
    assert (score.file, score.machine, score.label) == ("a.wav", "id_03", "normal")
    assert (score.anomaly, score.anomaly_1_per_day) == (anomaly, daily)
    assert RecordingScore.of(recording, _scores(value, 0.0), None, None).anomaly is None


def test_a_recording_that_is_not_judged_is_no_anomaly_and_is_marked(
    tested: Mapping[str, MachineTest],
) -> None:
    threshold = tested["id_03"].detector.threshold
    recording = Recording(Path("test", "a.wav"), "anomaly", "id_03")
    silent = Scores(99.0, 99.0, None, any_anomaly=False, n_windows=3, n_not_judged=3)
    score = RecordingScore.of(recording, silent, threshold, threshold)
    assert (score.anomaly, score.anomaly_1_per_day) == (False, False)
    assert score.not_judged and score.windows_not_judged == 3
    partly = replace(silent, highest=98.0, any_anomaly=True, n_not_judged=2)
    score = RecordingScore.of(recording, partly, threshold, threshold)
    assert (score.anomaly, score.anomaly_1_per_day, score.not_judged) == (True, True, False)
    assert score.decisive == 98.0


def _with_scoring(test: MachineTest, scoring: object) -> MachineTest:
    """The same test of a model whose configuration has this section ``scoring``."""
    detector = test.detector.with_sections(provenance={"config": {"scoring": scoring}})
    return replace(test, detector=detector)


def test_max_fpr_is_that_of_the_model(tested: Mapping[str, MachineTest]) -> None:
    test = tested["id_03"]
    assert test.max_fpr == 0.1
    assert _with_scoring(test, {"max_fpr": 0.2}).max_fpr == 0.2
    assert _with_scoring(test, {"max_fpr": 1}).max_fpr == 1.0
    assert _with_scoring(test, {"head": "gaussian"}).max_fpr == 0.1  # an older artifact
    assert _with_scoring(test, None).max_fpr == 0.1


@pytest.mark.parametrize("value", [0, -0.1, 1.5, True, "0.1", [0.1]])
def test_a_max_fpr_that_is_no_rate_is_refused(
    tested: Mapping[str, MachineTest], value: object
) -> None:
    test = _with_scoring(tested["id_03"], {"max_fpr": value})
    with pytest.raises(ArtifactError, match="allowed is a number, greater than 0, at most 1"):
        _ = test.max_fpr
