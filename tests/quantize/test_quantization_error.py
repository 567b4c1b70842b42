import math

import numpy as np
import pytest

from edgeae.quantize.cli import DEFAULT_MAX_DRIFT
from edgeae.quantize.quantization_error import (
    Row,
    compare,
    held_out_scores,
    rank_correlation,
    score_drift,
    score_movement,
)
from edgeae.quantize.training_set import TrainingSet
from edgeae.runtime import Artifact, Detector
from tests.conftest import Trained

SCORES = np.array([0.0, 2.0, 4.0, 6.0])


def test_scores_of_int8_rank_as_those_of_float(trained: Trained, training_set: TrainingSet) -> None:
    compared = compare(Artifact.read(trained.float_), Artifact.read(trained.int8), training_set)
    rows = {row.name: row for row in compared.rows}
    assert rows["rank correlation of the scores"].int8 > 0.99
    energy = rows["mean squared residual"]
    assert energy.int8 == pytest.approx(energy.float_, rel=0.02)
    assert rows["score drift, rms without its mean"].int8 == compared.drift < DEFAULT_MAX_DRIFT
    assert [name for name in rows if name.startswith("time")] == [
        "time of 1 patch",
        "time of 10 patches",
    ]
    assert "ratio" in str(compared)


def test_the_drift_of_a_few_minutes_of_sound_is_small(
    trained: Trained, training_set: TrainingSet
) -> None:
    """The scores compared are those of windows that no head has seen."""
    float_, int8 = (Detector.load(path) for path in (trained.float_, trained.int8))
    exact, rounded = held_out_scores(float_, int8, training_set)
    assert len(exact) == len(rounded) == 45
    assert 0 < score_drift(exact, rounded) < 0.05


def test_little_sound_is_compared_on_windows_that_no_head_has_seen(
    trained: Trained, training_set: TrainingSet
) -> None:
    """The distance of a window that the covariance has seen is so small that rounding moves it."""
    float_, int8 = (Detector.load(path) for path in (trained.float_, trained.int8))
    exact, rounded = held_out_scores(float_, int8, training_set.part(6))
    assert len(exact) == len(rounded) == 6
    seen = float_.head.score(np.concatenate(training_set.machines(float_)[0]))
    assert exact.mean() > seen.mean()
    assert score_drift(exact, rounded) < 0.05


def test_drift_is_what_moves_scores_against_each_other() -> None:
    moved = np.array([0.1, -0.1, 0.1, -0.1])
    assert score_drift(SCORES, SCORES + 5) == pytest.approx(0)
    int8 = SCORES + moved + 5
    assert score_drift(SCORES, int8) == pytest.approx(0.1 / np.std(SCORES))
    assert score_drift(SCORES, 3 * SCORES) == pytest.approx(2)


def test_of_one_window_the_whole_change_counts() -> None:
    assert score_movement(SCORES[:1], SCORES[:1] - 1) == pytest.approx(1)
    assert score_drift(SCORES[:1], SCORES[:1] + 1) == pytest.approx(10)


def test_few_clips_of_close_scores_do_not_make_a_drift_of_noise() -> None:
    scores = np.array([1.0, 1.001, 0.999])
    assert score_drift(scores, scores + np.array([0.001, 0, 0])) < 0.01


def test_ties_share_their_mean_rank() -> None:
    """Ranks 2, 2, 2, 4 against 3, 2, 1, 4: covariance 3, squared deviations 3 and 5."""
    tied = np.array([1.0, 1.0, 1.0, 2.0])
    assert rank_correlation(tied, np.array([3.0, 2.0, 1.0, 4.0])) == pytest.approx(3 / 15**0.5)


def test_rank_correlation_depends_on_the_order_alone() -> None:
    assert rank_correlation(SCORES, np.exp(SCORES)) == pytest.approx(1)
    assert rank_correlation(SCORES, -SCORES) == pytest.approx(-1)


@pytest.mark.parametrize("constant", [np.ones(4), np.full(4, 0.1)])
def test_the_rank_correlation_of_constant_scores_is_undefined(constant: np.ndarray) -> None:
    assert math.isnan(rank_correlation(constant, SCORES))
    assert math.isnan(rank_correlation(SCORES, constant))
    assert math.isnan(rank_correlation(SCORES[:1], SCORES[:1]))


def test_an_undefined_figure_is_reported_as_such() -> None:
    line = str(Row("rank correlation of the scores", None, math.nan, "Spearman"))
    assert line.split() == "rank correlation of the scores undefined Spearman".split()


def test_a_row_shows_both_figures_and_their_ratio() -> None:
    assert str(Row("file", 200.0, 50.0, "KiB")).split() == ["file", "200", "50", "0.250", "KiB"]
