"""What the page shows of an example: words that match its score, its sound, three spectrograms."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeae.evaluate.report.example_view import example_groups, example_view
from edgeae.evaluate.report.examples import worst_examples
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.features.log_mel_file import read_log_mel

Tests = Mapping[str, MachineTest]


def with_threshold(tested: Tests, threshold: float | None) -> Tests:
    machine = tested["id_03"]
    scores = [replace(score, threshold=threshold) for score in machine.scores[:3]]
    return {"id_03": replace(machine, recordings=machine.recordings[:3], scores=scores)}


def test_a_view_has_the_score_the_limit_the_sound_and_three_charts(tested: Tests) -> None:
    example = worst_examples(tested, "anomaly")[0]
    view = example_view(example, 0)
    score = example.score
    assert view.file == score.file
    assert f"score {score.score:.2f}" in view.description
    assert f"the threshold {score.threshold:.2f}" in view.description
    assert view.sound is not None and "mono, 16 kHz" in view.sound_remark
    assert [chart.head for chart in view.charts] == [
        "input: log-mel",
        "reconstruction",
        "residual: input minus reconstruction",
    ]


def test_features_have_no_sound(tested: Tests, tmp_path: Path) -> None:
    example = worst_examples(tested, "anomaly")[0]
    path = tmp_path / "anomaly_00.npy"
    np.save(path, read_log_mel(example.path, example.detector.spec))
    view = example_view(replace(example, path=path), 0)
    assert view.sound is None
    assert "no sound to play" in view.sound_remark


@pytest.mark.parametrize(
    ("threshold", "remark"), [(None, "This head has no threshold"), (-1e3, ""), (1e3, "nearest")]
)
def test_a_group_says_what_its_examples_are(
    tested: Tests, threshold: float | None, remark: str
) -> None:
    groups = {group.title: group for group in example_groups(with_threshold(tested, threshold), 0)}
    for group in groups.values():
        assert group.examples
    if "The worst false alarms" in groups:
        assert remark in groups["The worst false alarms"].remark
    else:
        assert remark in "".join(group.remark for group in groups.values()) or threshold
