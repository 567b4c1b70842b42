"""Is the detector usable? One sentence: what it detects, how soon, at what false-alarm rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.sensitivity_table import band_changes
from edgeae.runtime.scoring.threshold import PERIOD_SECONDS, probability_of

from ..results.alarm_metrics import (
    FOUND_WITHIN_SECONDS,
    SECONDS_PER_HOUR,
    found_within,
    median_delay,
    per_day,
)
from ..results.evaluation_result import Estimate
from ..streams.simulation import StreamCounts, sum_counts

MIN_USABLE_SHARE = 0.9  # of the faults that raise an alarm
MIN_PARTLY_USABLE_SHARE = 0.5
MINUTE_SECONDS = 60.0

Level = Literal["usable", "partly usable", "not usable", "unknown"]
BEGINNINGS: dict[Level, str] = {
    "usable": "Usable for faults like those of this test",
    "partly usable": "Usable for a part of the faults of this test",
    "not usable": "Not usable yet",
    "unknown": "Unknown whether it is usable",
}


@dataclass(frozen=True)
class Usability:
    """Whether the detector is usable, and the sentence that says so."""

    level: Level
    sentence: str


def usability(
    streams: Sequence[StreamCounts],
    detector: Detector,
    budget: str | None,
    *,
    is_calibrated: bool,
) -> Usability:
    """Judge the alarms in the streams of the machines.

    streams: of each machine; none where the head has no threshold or the test no normal sound
    detector: any of the test, for its window
    budget: of false alarms, that the alarms were measured for; None: they were not
    is_calibrated: to the machines of the test
    """
    if not streams:
        return _described("unknown", "no alarm could be measured")
    counts = sum_counts(streams)
    if not counts.faults:
        return _described("unknown", "the test has no recording of a fault")
    if budget is None:
        return _described(
            "unknown", "add `--false-alarms 1/day` to measure how soon a fault raises an alarm"
        )
    limit = max(FOUND_WITHIN_SECONDS)
    share = found_within([fault.delay for fault in counts.faults], limit) or 0.0
    reasons = f"{_trials(streams, limit)}, and {_false_alarms(counts, budget, detector)}"
    if not is_calibrated:
        return _described("not usable", f"the artifact is calibrated to no machine; {reasons}")
    if _exceeds(per_day(counts), budget, detector):
        return _described("not usable", reasons)
    return _described(_level(share), reasons)


def sensitivity_sentence(sections: Sequence[SensitivitySection]) -> str | None:
    """The smallest changes of a band that raise an alarm, in words; None without any."""
    changes = band_changes(sections)
    if not changes:
        return None
    ranges: list[str] = []
    for seconds in changes[0].at:
        minutes = seconds / MINUTE_SECONDS
        limits = _limits([change.at[seconds] for change in changes])
        ranges.append(f"{limits} within {minutes:g} minute{'s' * (minutes != 1)}")
    return (
        f"Changes that were planted into the sound of the calibration show: a band of frequencies "
        f"raises an alarm if it becomes louder or quieter by {' and by '.join(ranges)}, depending "
        f"on the band."
    )


def _limits(sections: list[SensitivitySection]) -> str:
    """``3.5 to 9.5 dB``, or ``3.5 to more than 12 dB`` where the largest change is not detected.

    One value where all bands have the same.
    """
    ordered = sorted(sections, key=lambda each: (not each.is_detected, each.strength))
    low = ordered[0]
    high = ordered[-1]
    if not low.is_detected:
        return f"more than {low.strength:g} dB"
    if low.strength == high.strength and high.is_detected:
        return f"{low.strength:g} dB"
    beyond = "" if high.is_detected else "more than "
    return f"{low.strength:g} to {beyond}{high.strength:g} dB"


def _level(share: float) -> Level:
    if share >= MIN_USABLE_SHARE:
        return "usable"
    return "partly usable" if share >= MIN_PARTLY_USABLE_SHARE else "not usable"


def _described(level: Level, reasons: str) -> Usability:
    return Usability(level, f"{BEGINNINGS[level]}: {reasons}.")


def _trials(streams: Sequence[StreamCounts], limit_seconds: float) -> str:
    """What came of the faults that were played."""
    delays = [fault.delay for each in streams for fault in each.faults]
    n_found = sum(delay is not None and delay <= limit_seconds for delay in delays)
    median = median_delay(delays)
    half = "" if median is None else f", half of all within {median:.0f} seconds"
    return (
        f"{n_found} of {len(delays)} trials with a fault ({_trial_sources(streams)}) raised an "
        f"alarm within {limit_seconds / MINUTE_SECONDS:g} minutes{half}"
    )


def _trial_sources(streams: Sequence[StreamCounts]) -> str:
    """Machines, the kinds of fault where names of recordings state them, and the orders."""
    machines = "1 machine" if len(streams) == 1 else f"{len(streams)} machines"
    n_kinds = sum(len({fault.condition for fault in each.faults}) for each in streams)
    kinds = f", {n_kinds} kinds of fault" if n_kinds > len(streams) else ""
    return f"{machines}{kinds}, recordings in several orders"


def _false_alarms(counts: StreamCounts, budget: str, detector: Detector) -> str:
    """The false alarms in words, and whether their number fits the budget."""
    n_alarms = counts.n_alarms
    number = f"{n_alarms or 'no'} false alarm{'s' * (n_alarms > 1)}"
    start = f"{_normal_sound(counts)} raised {number}"
    rate = per_day(counts)
    if _exceeds(rate, budget, detector):
        return f"{start}, more than the budget of {budget} allows"
    if rate.high is not None and rate.high <= budget_per_day(budget, detector):
        return f"{start}, within the budget of {budget}"
    return f"{start} (too few hours to prove the budget of {budget})"


def _normal_sound(counts: StreamCounts) -> str:
    """How much normal sound was played, and how much of it was recorded."""
    played = f"{counts.seconds / SECONDS_PER_HOUR:.1f} hours of normal sound"
    if not 0 < counts.distinct_seconds < counts.seconds:
        return played
    minutes = counts.distinct_seconds / MINUTE_SECONDS
    return f"{played}, {minutes:.1f} minutes of recordings played repeatedly,"


def budget_per_day(budget: str, detector: Detector) -> float:
    """False alarms a day that the budget allows."""
    windows_per_day = PERIOD_SECONDS["day"] / detector.window
    return probability_of(budget, detector.window) * windows_per_day


def _exceeds(rate: Estimate, budget: str, detector: Detector) -> bool:
    """True if even the lower bound of the rate is above the budget."""
    return rate.low is not None and rate.low > budget_per_day(budget, detector)
