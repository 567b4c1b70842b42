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
    """The first recording of each label, with another threshold."""
    machine = tested["id_03"]
    labels = [score.label for score in machine.scores]
    first = [labels.index("normal"), labels.index("anomaly")]
    return {
        "id_03": replace(
            machine,
            recordings=[machine.recordings[k] for k in first],
            scores=[replace(machine.scores[k], threshold=threshold) for k in first],
        )
    }


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


NO_THRESHOLD = "This head has no threshold"
NO_MISS = "No fault was missed"
NO_FALSE_ALARM = "No normal recording was above the threshold"


@pytest.mark.parametrize(
    ("threshold", "remarks"),
    [
        (None, [NO_THRESHOLD, NO_THRESHOLD]),
        (-1e3, [NO_MISS, ""]),
        (1e3, ["", NO_FALSE_ALARM]),
    ],
)
def test_a_group_says_what_its_examples_are(
    tested: Tests, threshold: float | None, remarks: list[str]
) -> None:
    groups = example_groups(with_threshold(tested, threshold), 0)
    assert [group.title for group in groups] == ["The worst misses", "The worst false alarms"]
    assert all(len(group.examples) == 1 for group in groups)
    for group, remark in zip(groups, remarks, strict=True):
        assert group.remark.startswith(remark)
        assert bool(group.remark) == bool(remark)
