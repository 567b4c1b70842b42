"""From the counts of streams to the metrics of alarms."""

from collections.abc import Sequence
from math import inf

import numpy as np

from ..streams.simulation import StreamCounts, sum_counts
from .evaluation_result import Alarms, BudgetAlarms, Estimate
from .metrics import count_interval, mean, without_none

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
FOUND_WITHIN_SECONDS = (60, 300, 900)


def alarm_metrics(counts: StreamCounts | None) -> Alarms:
    """The metrics of the streams of one machine, or of their sum; all None without streams."""
    if counts is None:
        return Alarms()
    n_faults = len(counts.faults)
    delays = list(without_none(fault.delay for fault in counts.faults))
    return Alarms(
        normal_hours=counts.seconds / SECONDS_PER_HOUR,
        false_alarms=counts.n_alarms,
        false_alarms_per_day=per_day(counts),
        share_in_alarm=counts.n_windows_in_alarm / counts.n_windows,
        splices=n_faults,
        early_alarms=sum(fault.early for fault in counts.faults),
        delay_median_s=_quantile(delays, 0.5),
        delay_p90_s=_quantile(delays, 0.9),
        never_detected=1 - len(delays) / n_faults if n_faults else None,
    )


def per_day(counts: StreamCounts) -> Estimate:
    """False alarms a day, with the interval that the normal sound itself supports.

    The same recordings in another order are no more evidence, so the interval is that of the mean
    number of alarms in one order.
    """
    distinct_seconds = counts.distinct_seconds or counts.seconds
    n_plays = counts.seconds / distinct_seconds
    low, high = count_interval(counts.n_alarms / n_plays)
    days = distinct_seconds / SECONDS_PER_DAY
    return Estimate(counts.n_alarms / n_plays / days, low / days, high / days)


def budget_alarms(budget: str, counts: StreamCounts) -> BudgetAlarms:
    """The alarms of one machine at a budget."""
    delays = tuple(fault.delay for fault in counts.faults)
    return BudgetAlarms(
        budget=budget,
        normal_hours=counts.seconds / SECONDS_PER_HOUR,
        false_alarms=counts.n_alarms,
        false_alarms_per_day=per_day(counts),
        found_within_s={limit: found_within(delays, limit) for limit in FOUND_WITHIN_SECONDS},
        median_delay_s=median_delay(delays),
        delays_s=delays,
        early_alarms=sum(fault.early for fault in counts.faults),
        not_judged=counts.n_not_judged,
    )


def mean_budget_alarms(budget: str, machines: Sequence[StreamCounts]) -> BudgetAlarms:
    """The alarms of several machines: shares are means over machines, the rest is of all sound."""
    total = budget_alarms(budget, sum_counts(machines))
    each = [budget_alarms(budget, counts) for counts in machines]
    shares = {
        limit: mean(item.found_within_s[limit] for item in each) for limit in FOUND_WITHIN_SECONDS
    }
    return BudgetAlarms(**{**vars(total), "found_within_s": shares})


def found_within(delays: Sequence[float | None], limit: float) -> float | None:
    """The share of faults with an alarm within ``limit`` seconds; None without faults."""
    if not delays:
        return None
    return sum(delay is not None and delay <= limit for delay in delays) / len(delays)


def median_delay(delays: Sequence[float | None]) -> float | None:
    """The delay within which half of all faults are found; None where they are not."""
    if not delays:
        return None
    ordered = sorted(inf if delay is None else delay for delay in delays)
    delay = ordered[(len(ordered) - 1) // 2]
    return None if delay == inf else delay


def _quantile(delays: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(delays, share)), 2) if delays else None
