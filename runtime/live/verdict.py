"""The verdict on a recording or a source: what all of its lines come to.

It is anomalous if a single window was above the threshold, or if an alarm started: one that only
the charts see needs no window above the threshold. What could not be judged is counted, so that a
run in which nothing was judged does not look like a healthy machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..monitoring.states import UNJUDGED_STATES

NOTHING_KNOWN = "nothing is known about the machine"
MISSED = "a fault in what is not judged is missed"


@dataclass
class Verdict:
    """The verdict on one recording or source, so far."""

    any_anomaly: bool = False  # a window above the threshold, or an alarm
    n_windows: int = 0
    n_unjudged: int = 0  # windows
    unjudged_states: set[str] = field(default_factory=set)  # why they were not judged

    def add_window(self, health: str, *, anomaly: bool) -> None:
        """Add a window. health: the state of its sound."""
        self.n_windows += 1
        self.any_anomaly = self.any_anomaly or anomaly
        if health in UNJUDGED_STATES:
            self.n_unjudged += 1
            self.unjudged_states.add(health)

    def add_event(self, phase: str) -> None:
        """Add an event. phase: ``start`` of an alarm makes an anomaly, a ``burst`` does not."""
        self.any_anomaly = self.any_anomaly or phase == "start"

    @property
    def nothing_judged(self) -> bool:
        """True if there are windows, and none of them was judged."""
        return 0 < self.n_windows == self.n_unjudged


def unjudged_recordings(verdicts: Sequence[Verdict]) -> str | None:
    """A sentence that counts the recordings that were not judged; None if all were, as a whole."""
    partly = [verdict for verdict in verdicts if verdict.n_unjudged]
    if not partly:
        return None
    unjudged = [verdict for verdict in verdicts if verdict.nothing_judged]
    states = _states(partly)
    if len(unjudged) == len(verdicts):
        return f"not one of {_recordings(len(verdicts))} was judged ({states}): {NOTHING_KNOWN}"
    n_partly = len(partly) - len(unjudged)
    counts: list[str] = []
    if unjudged:
        counts.append(f"{len(unjudged)} not judged")
    if n_partly:
        counts.append(f"{n_partly} judged only in part")
    return f"of {_recordings(len(verdicts))}: {', '.join(counts)} ({states}); {MISSED}"


def unjudged_source(name: str, verdict: Verdict) -> str | None:
    """A sentence if no window of a live source was judged; None if one was."""
    if not verdict.nothing_judged:
        return None
    states = _states([verdict])
    return f"{name}: none of its {verdict.n_windows} windows was judged ({states}): {NOTHING_KNOWN}"


def _states(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(sorted(set[str]().union(*(each.unjudged_states for each in verdicts))))


def _recordings(n: int) -> str:
    return f"{n} recording{'s' if n != 1 else ''}"
