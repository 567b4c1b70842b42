"""How often bursts come back before it is an alarm."""

from collections import deque

import numpy as np
import pytest

from edgeae.runtime.monitoring.recurrence import HOUR_SECONDS, MAX_HOURS, Recurrence, burst_hours
from edgeae.runtime.scoring.threshold import Threshold, probability_of

WINDOW = 10.0


def recurrence(budget: str = "1/day", hours: deque[int] | None = None) -> Recurrence:
    probability = probability_of(budget, WINDOW)
    return Recurrence(Threshold(1.0, budget, probability, 100, False, window=WINDOW), hours)


def play(counter: Recurrence, starts: list[float], until: float, start: float = 0.0) -> int:
    """Minutes pass with these bursts; the number of alarms, each of which a person ends."""
    n_alarms = 0
    remaining = sorted(starts)
    for t in np.arange(start, until, 10.0):
        counter.advance(float(t), WINDOW, learns=True)
        while remaining and remaining[0] <= t:
            counter.add(remaining.pop(0))
            if counter.is_recurrent:
                n_alarms += 1
                counter.accept()
                counter.clear()
    return n_alarms


def limit(counter: Recurrence) -> int:
    """How many bursts within seconds are an alarm."""
    n = 0
    while not counter.is_recurrent:
        counter.add(0.0)
        n += 1
    return n


@pytest.mark.parametrize(
    ("budget", "bursts"), [("5%", 31), ("1/hour", 8), ("1/day", 10), ("1/week", 13)]
)
def test_a_rarer_budget_asks_for_more_bursts(budget: str, bursts: int) -> None:
    """Before any hour is known: the threshold itself lets 18 windows an hour through at 5%."""
    assert limit(recurrence(budget)) == bursts


def test_where_bursts_are_normal_more_of_them_are_an_alarm() -> None:
    counter = recurrence()
    play(counter, [600.0 * k for k in range(6)], until=HOUR_SECONDS + 20)
    play(counter, [], start=HOUR_SECONDS + 20, until=3 * HOUR_SECONDS)
    assert counter.n_recent == 0
    assert limit(counter) == 23


def test_what_a_place_is_used_to_is_continued() -> None:
    assert limit(recurrence(hours=burst_hours())) == limit(recurrence())
    assert limit(recurrence(hours=burst_hours([6, 6]))) == 23
    hours = burst_hours([0] * MAX_HOURS)
    play(recurrence(hours=hours), [600.0 * k for k in range(6)], until=HOUR_SECONDS + 20)
    assert list(hours)[-2:] == [0, 6]
    assert len(hours) == MAX_HOURS


def test_a_busy_hour_is_forgotten_after_a_week() -> None:
    counter = recurrence()
    play(counter, [600.0 * k for k in range(6)], until=(MAX_HOURS + 2) * HOUR_SECONDS)
    assert limit(counter) == 10


def test_gaps_and_alarms_are_not_monitored_hours() -> None:
    counter = recurrence()
    for k in range(6):
        counter.advance(600.0 * k, WINDOW, learns=True)
        counter.add(600.0 * k)
    counter.advance(1e6, WINDOW, learns=True)
    play(counter, [], start=1e6, until=1e6 + 3000)
    counter.advance(1e6 + 3000, 1e6, learns=False)
    assert counter.n_recent == 0
    assert limit(counter) == 10  # the hour with six bursts is not over


def test_it_has_stopped_after_four_mean_distances() -> None:
    counter = recurrence()
    for k in range(10):
        counter.advance(120.0 * k, WINDOW, learns=False)
        counter.add(120.0 * k)
    assert counter.since == 0.0
    counter.advance(1080 + 4 * 360 - 1, WINDOW, learns=False)
    assert not counter.has_stopped
    counter.advance(1080 + 4 * 360, WINDOW, learns=False)
    assert counter.has_stopped


@pytest.mark.parametrize("per_hour", [1 / 24, 1.0, 4.0, 12.0])
def test_bursts_of_a_constant_rate_keep_their_share_of_the_budget(per_hour: float) -> None:
    """Ten weeks of a Poisson process at 1/day, after a first day in which the rate is learned."""
    rng = np.random.default_rng([7, round(100 * per_hour)])
    seconds = 71 * 86400.0
    starts = rng.uniform(0, seconds, rng.poisson(per_hour * seconds / 3600)).tolist()
    counter = recurrence()
    play(counter, [t for t in starts if t < 86400], until=86400)
    n_alarms = play(counter, [t for t in starts if t >= 86400], start=86400, until=seconds)
    assert n_alarms <= 7  # a tenth of 70
