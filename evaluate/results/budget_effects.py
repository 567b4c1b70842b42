"""What another budget of false alarms would change, computed for the recordings of the test."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from edgeae.runtime.scoring.calibration import threshold_for

from .recording_scores import MachineTest

BUDGETS = ("1/hour", "1/day", "1/week", "1/month")  # from frequent to rare


@dataclass(frozen=True)
class BudgetEffect:
    """How many recordings of all machines would be above the threshold for a budget."""

    budget: str
    false_alarm_rate: float | None  # share of the normal recordings; None without any
    recall: float | None  # share of the faults


def budget_effects(tests: Mapping[str, MachineTest]) -> list[BudgetEffect]:
    """The effect of each of BUDGETS; none for a head without a threshold."""
    if any(test.one_per_day is None for test in tests.values()):
        return []
    return [_effect(tests, budget) for budget in BUDGETS]


def _effect(tests: Mapping[str, MachineTest], budget: str) -> BudgetEffect:
    normal: list[bool] = []
    anomalous: list[bool] = []
    for test in tests.values():
        limit = threshold_for(test.detector, budget).value
        for score in test.scores:
            is_above = score.highest is not None and score.highest > limit
            flags = anomalous if score.label == "anomaly" else normal
            flags.append(is_above)
    return BudgetEffect(budget, _share(normal), _share(anomalous))


def _share(flags: list[bool]) -> float | None:
    return fmean(flags) if flags else None


def fewer_false_alarms(
    effects: Iterable[BudgetEffect], rate: float, wanted: float
) -> BudgetEffect | None:
    """The first budget with at most the wanted rate, else the lowest; None if none is below."""
    lower = [effect for effect in _with_rate(effects) if (effect.false_alarm_rate or 0.0) < rate]
    enough = [effect for effect in lower if (effect.false_alarm_rate or 0.0) <= wanted]
    if enough:
        return enough[0]
    return min(lower, key=lambda effect: effect.false_alarm_rate or 0.0, default=None)


def more_found(
    effects: Iterable[BudgetEffect], recall: float, max_rate: float
) -> BudgetEffect | None:
    """The rarest budget with the highest recall above ``recall``; None if none has more.

    max_rate: of false alarms
    """
    able = [
        effect
        for effect in _with_rate(effects)
        if (effect.false_alarm_rate or 0.0) <= max_rate and (effect.recall or 0.0) > recall
    ]
    return max(reversed(able), key=lambda effect: effect.recall or 0.0, default=None)


def _with_rate(effects: Iterable[BudgetEffect]) -> Iterator[BudgetEffect]:
    return (effect for effect in effects if effect.false_alarm_rate is not None)
