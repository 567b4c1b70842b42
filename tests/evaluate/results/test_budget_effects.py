"""The computed effect of another budget of false alarms."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edgeae.evaluate.results.budget_effects import (
    BUDGETS,
    BudgetEffect,
    budget_effects,
    fewer_false_alarms,
    more_found,
)
from edgeae.evaluate.results.recording_scores import MachineTest
from edgeae.runtime.scoring.calibration import threshold_for

EFFECTS = [
    BudgetEffect("1/hour", 0.2, 0.9),
    BudgetEffect("1/day", 0.04, 0.5),
    BudgetEffect("1/week", 0.0, 0.5),
]


def test_the_effect_is_the_share_above_the_threshold_for_the_budget(
    tested: Mapping[str, MachineTest],
) -> None:
    test = tested["id_03"]
    effects = budget_effects(tested)
    assert [effect.budget for effect in effects] == list(BUDGETS)
    for effect in effects:
        limit = threshold_for(test.detector, effect.budget).value
        above = [score.highest is not None and score.highest > limit for score in test.scores]
        faults = [
            flag for flag, score in zip(above, test.scores, strict=True) if score.label != "normal"
        ]
        assert effect.recall == pytest.approx(sum(faults) / len(faults))
        assert effect.false_alarm_rate == pytest.approx((sum(above) - sum(faults)) / 6)


def test_a_head_without_a_threshold_has_no_effects(tested: Mapping[str, MachineTest]) -> None:
    assert budget_effects({"id_03": replace(tested["id_03"], one_per_day=None)}) == []


@pytest.mark.parametrize(
    ("rate", "wanted", "budget"),
    [(0.3, 0.05, "1/day"), (0.3, 0.5, "1/hour"), (0.01, 0.005, "1/week"), (0.0, 0.0, None)],
)
def test_the_first_budget_that_is_rare_enough_is_chosen(
    rate: float, wanted: float, budget: str | None
) -> None:
    effect = fewer_false_alarms(EFFECTS, rate, wanted)
    assert (effect.budget if effect else None) == budget


@pytest.mark.parametrize(
    ("recall", "max_rate", "budget"),
    [(0.1, 0.05, "1/week"), (0.1, 0.5, "1/hour"), (0.5, 0.05, None), (0.9, 1.0, None)],
)
def test_the_rarest_budget_that_finds_most_is_chosen(
    recall: float, max_rate: float, budget: str | None
) -> None:
    effect = more_found(EFFECTS, recall, max_rate)
    assert (effect.budget if effect else None) == budget
