"""Shares, medians and rates of the counts of streams."""

import pytest

from edgeae.evaluate.results.alarm_metrics import (
    alarm_metrics,
    budget_alarms,
    found_within,
    mean_budget_alarms,
    median_delay,
    per_day,
)
from edgeae.evaluate.results.evaluation_result import Alarms
from edgeae.evaluate.streams.simulation import FaultDelay, StreamCounts


def _counts(*delays: float | None, n_alarms: int = 0, seconds: float = 7200.0) -> StreamCounts:
    faults = tuple(FaultDelay("x", delay, early=delay is None) for delay in delays)
    return StreamCounts(seconds, seconds / 2, n_alarms, 100, 25, 3, faults)


def test_metrics_of_streams() -> None:
    alarms = alarm_metrics(_counts(4.0, None, 8.0, 6.0, n_alarms=2))
    assert (alarms.normal_hours, alarms.false_alarms) == (2.0, 2)
    assert alarms.false_alarms_per_day.value == 24.0
    assert (alarms.share_in_alarm, alarms.splices, alarms.early_alarms) == (0.25, 4, 1)
    assert (alarms.delay_median_s, alarms.delay_p90_s) == (6.0, 7.6)
    assert alarms.never_detected == 0.25


def test_streams_without_alarms_or_faults_have_no_delays() -> None:
    alarms = alarm_metrics(_counts())
    assert alarms.never_detected is alarms.delay_median_s is None
    assert alarm_metrics(None) == Alarms()


def test_the_interval_rests_on_sound_that_is_not_repeated() -> None:
    """One hour in two orders without an alarm says no more than one hour in one order."""
    rate = per_day(_counts())
    assert rate.value == rate.low == 0
    assert rate.high == pytest.approx(88.5, abs=0.1)
    rate = per_day(_counts(n_alarms=2))
    assert rate.value == 24.0
    assert rate.low is not None and rate.high is not None
    assert rate.low < 4 and rate.high > 100


@pytest.mark.parametrize(
    ("delays", "limit", "share"),
    [([], 60, None), ([60.0, None], 60, 0.5), ([60.1], 60, 0.0), ([1.0, 2.0], 60, 1.0)],
)
def test_a_share_is_of_all_faults(
    delays: list[float | None], limit: float, share: float | None
) -> None:
    assert found_within(delays, limit) == share


@pytest.mark.parametrize(
    ("delays", "median"),
    [([], None), ([3.0, None, 1.0], 3.0), ([3.0, None, None], None), ([None, 5.0], 5.0)],
)
def test_the_median_counts_faults_that_are_never_found(
    delays: list[float | None], median: float | None
) -> None:
    assert median_delay(delays) == median


def test_the_object_has_the_keys_of_the_contract() -> None:
    found = budget_alarms("1/day", _counts(50.0, 400.0, None)).to_json()
    assert found["budget"] == "1/day"
    assert found["normal_hours"] == 2.0 and found["false_alarms"] == 0
    shares = found["found_within_s"]
    assert isinstance(shares, dict)
    assert list(shares) == ["60", "300", "900"]
    assert list(shares.values()) == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert found["median_delay_s"] == 400.0
    assert found["delays_s"] == [50.0, 400.0, None]
    assert (found["early_alarms"], found["not_judged"]) == (1, 3)


def test_the_mean_is_one_of_shares_and_a_sum_of_counts() -> None:
    machines = [_counts(10.0, 10.0, 10.0, n_alarms=1), _counts(None), _counts()]
    total = mean_budget_alarms("1/day", machines)
    assert total.found_within_s == {60: 0.5, 300: 0.5, 900: 0.5}
    assert (total.normal_hours, total.false_alarms) == (6.0, 1)
    assert total.delays_s == (10.0, 10.0, 10.0, None)
    assert total.median_delay_s == 10.0
