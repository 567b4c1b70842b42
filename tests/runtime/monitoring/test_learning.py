"""What is reported of the charts."""

from types import SimpleNamespace
from typing import Any

import pytest
from charted_machine import charted_detector

from edgeae.runtime.monitoring.learning import LearningReport, max_first_alarms


def charts(*judged: int, learns: bool = True, monitored: int = 2000, **minutes_until: int) -> Any:
    """Charts whose scales ``judged`` can raise an alarm, and the others after so many minutes."""
    waiting = {int(scale.removeprefix("scale_")): n for scale, n in minutes_until.items()}
    return SimpleNamespace(
        judged_minutes=judged,
        minutes_until_judged=waiting.__getitem__,
        sound=SimpleNamespace(n_learned=7),
        learns=learns,
        monitored_minutes=monitored,
    )


def sentence(state: Any) -> str:
    return LearningReport(state, "1/week", 4).status().sentence


def test_the_sentence_says_what_holds_and_what_comes() -> None:
    state = charts(1, 4, scale_15=34, scale_60=179)
    assert sentence(state) == (
        "2 of 4 time scales are active, false alarms stay within 1/week; changes that show only "
        "over 15 minutes are judged after about 34 minutes of normal sound"
    )
    assert LearningReport(state, "1/week", 4).status().details() == {
        "learned_minutes": 7,
        "active_scales": 2,
        "sentence": sentence(state),
    }


@pytest.mark.parametrize(
    ("minutes", "words"), [(1, "a minute"), (59, "59 minutes"), (180, "3 h"), (184, "3 h 4 min")]
)
def test_the_time_is_in_words(minutes: int, words: str) -> None:
    state = charts(1, 4, 15, scale_60=minutes)
    assert sentence(state).endswith(f"over an hour are judged after about {words} of normal sound")


def test_the_scale_that_comes_first_is_named() -> None:
    """After a restart, the pool of a long scale is empty, whatever was learned before."""
    assert "over 4 minutes" in sentence(charts(1, scale_4=4, scale_15=15, scale_60=60))


def test_nothing_is_announced_when_all_scales_are_active_or_nothing_is_learned() -> None:
    complete = "4 of 4 time scales are active, false alarms stay within 1/week"
    assert sentence(charts(1, 4, 15, 60)) == complete
    assert sentence(charts(1, learns=False)) == (
        "1 of 4 time scales are active, nothing is learned, so 1/week holds for sound like the "
        "calibration's"
    )


@pytest.mark.parametrize(("monitored", "left"), [(1, "23 h 59 min"), (1439, "a minute")])
def test_false_alarms_of_the_first_day_are_announced(monitored: int, left: str) -> None:
    assert sentence(charts(1, 4, 15, 60, monitored=monitored)) == (
        "4 of 4 time scales are active, expect up to 4 false alarms on the first day, and 1/week "
        f"after {left}"
    )


@pytest.mark.parametrize(("budget", "n"), [("1/week", 4), ("1/day", 4), ("1/hour", 24)])
def test_more_are_announced_where_more_are_allowed(budget: str, n: int) -> None:
    assert max_first_alarms(charted_detector(budget)) == n


def test_a_further_scale_is_reported_at_once_and_else_each_hour() -> None:
    state = charts(1, scale_4=4, scale_15=40, scale_60=200)
    report = LearningReport(state, "1/week", 4)
    assert report.update(60.0) is None
    state.judged_minutes = (1, 4)
    assert report.update(300.0) is not None
    assert report.update(301.0) is None
    assert report.update(300.0 + 3599.0) is None
    assert report.update(300.0 + 3600.0) is not None
    assert report.update(300.0 + 3601.0) is None
