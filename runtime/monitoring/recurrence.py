"""Bursts that keep coming back: an alarm of its own, though each of them is none.

A knock every two minutes moves no chart and is never above the threshold for long. The number of
bursts in the last hour is compared with a busy hour of the week that was monitored at this place
(nine of ten hours had no more), because doors and voices are normal there, too. Two Poisson counts
n and m of equal time are of the same rate with the probability

    P(B >= n),  B binomial with n + m trials of probability 1/2

(Przyborowski and Wilenski, "Homogeneity of results in testing samples from Poisson series",
Biometrika 31, 1940). Until an hour is known it counts as one without bursts, or with as many as
the budget of false alarms allows. A share of this budget sets how small the probability is.
"""

import math
from collections import deque
from collections.abc import Iterable

from ..scoring.threshold import Threshold

HOUR_SECONDS = 3600.0
MAX_HOURS = 168  # monitored, that are kept: a week
MIN_BURSTS = 6  # in the last hour; fewer are no recurrence
BUSY_QUANTILE = 0.9  # of the hours
BUDGET_SHARE = 0.1  # of the false alarms; the charts have the rest
# The last hour is counted anew while most of it is the same: worth so many independent looks.
LOOKS_PER_HOUR = 3.0
MAX_PROBABILITY = 0.05  # of a false alarm for one of these looks
# It has stopped after so many mean distances without a burst; chance alone leaves such a gap once
# in 55.
QUIET_DISTANCES = 4.0


def burst_hours(counts: Iterable[int] = ()) -> deque[int]:
    """The bursts of each monitored hour, of a week at most, oldest first."""
    return deque(counts, maxlen=MAX_HOURS)


class Recurrence:
    """Counts the bursts of one source."""

    def __init__(self, rule: Threshold, hours: deque[int] | None = None) -> None:
        """rule: with the budget of false alarms.

        hours: from `burst_hours`, what is known of the place; continued here.
        """
        per_hour = rule.probability * HOUR_SECONDS / (rule.window or 1.0)
        self._max_probability = min(BUDGET_SHARE * per_hour / LOOKS_PER_HOUR, MAX_PROBABILITY)
        self._hours = burst_hours() if hours is None else hours
        if not self._hours:
            self._hours.append(math.floor(per_hour))
        self._starts: deque[float] = deque()  # seconds, of the bursts of the last hour
        self._t = 0.0  # seconds, of the last window
        self._last_end = 0.0  # seconds, of the last burst
        self._seconds = 0.0  # monitored, of the present hour
        self._n_present = 0  # bursts in it

    @property
    def n_recent(self) -> int:
        """How many bursts began in the last hour."""
        return len(self._starts)

    @property
    def since(self) -> float:
        """Seconds: when the first burst of the last hour began."""
        return self._starts[0] if self._starts else self._t

    def advance(self, t: float, max_seconds: float, *, learns: bool) -> None:
        """Time passes.

        t: seconds from the start of the source, of the present window.
        max_seconds: since the window before; more is a gap, of which nothing is known.
        learns: False during an alarm.
        """
        if learns:
            self._seconds += min(max(t - self._t, 0.0), max_seconds)
        self._t = t
        while self._starts and self._starts[0] < t - HOUR_SECONDS:
            self._starts.popleft()
        if self._seconds >= HOUR_SECONDS:
            self._hours.append(self._n_present)
            self._seconds = 0.0
            self._n_present = 0

    def add(self, start: float) -> None:
        """Add a burst that has just ended. start: seconds."""
        self._starts.append(start)
        self._last_end = self._t
        self._n_present += 1

    @property
    def is_recurrent(self) -> bool:
        """Whether more bursts came in the last hour than chance explains."""
        n = self.n_recent
        if n < MIN_BURSTS:
            return False
        n_trials = n + self._busy_count
        n_outcomes = sum(math.comb(n_trials, k) for k in range(n, n_trials + 1))
        probability: float = n_outcomes / 2**n_trials
        return probability <= self._max_probability

    @property
    def _busy_count(self) -> int:
        """How many bursts a busy hour has; of few hours, the busiest."""
        counts = sorted(self._hours)
        return counts[math.ceil(BUSY_QUANTILE * len(counts)) - 1]

    @property
    def has_stopped(self) -> bool:
        """Whether the last burst was so long ago that the next should have come."""
        mean_distance = HOUR_SECONDS / max(self.n_recent, 1)
        return self._t - self._last_end >= QUIET_DISTANCES * mean_distance

    def accept(self) -> None:
        """A person calls as many bursts as came in the last hour normal."""
        self._hours.append(self.n_recent)

    def clear(self) -> None:
        """An alarm is over: its bursts do not count for the next, and are not normal."""
        self._starts.clear()
        self._seconds = 0.0
        self._n_present = 0
