"""Is it the machine that changed, or the microphone?

The conditions of the sound, the worst first; one at a time is told:

    silence     digital zeros, or a second below -90 dBFS                    not judged
    stuck       the samples stand still, or one buffer comes again and again  not judged
    clipping    flat tops                                                    judged
    bandwidth   above some frequency is nothing, where this machine has sound  judged
    level       all bands moved by nearly the same number of dB              judged

The first three are measured on the raw samples (`edgeae.runtime.audio.signal_quality`), the others on the mean log-mel
of the window against this machine's normal; those work for precomputed features, too. A condition
begins at once, stays while it holds by four fifths, and ends after three windows without it.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..features.bandwidth import BELOW_BANDS, EDGE_BANDS, MIN_DROP_DB, find_step_down
from ..scoring.detector import Detector
from ..scoring.threshold import reference_for
from ..scoring.window_stream import Window
from ..system.arrays import Float64
from .alarm import AlarmEvent
from .states import WORSE, State

ENDS = 3  # windows without a condition that end it
STAYS = 0.8  # of a limit, from which a condition that is on stays on
INTERRUPTED = 0.05  # share of a second
CLIPPED = 5e-4  # share of a window
DISTORTED = 0.01  # share of a window, from which clipping is what is heard and not the machine
TOP_SHARE = 0.05  # of the bands, at the top: there a resampler leaves what it likes
LOWEST_EDGE = 1000.0  # Hz
LEVEL = 4.0  # dB, by which all bands moved
DEVIATIONS = 3.0  # normal ones, that the level has to move, too
FELL = 2.0  # normal deviations, that each band above the edge has to fall, too
ALIKE = 2.0  # normal deviations from each other of bands that moved alike, which is at most half of the level
LEAST_SCATTER = 0.5  # dB
USUAL = (
    0.95  # of normal windows are no further from normal than what is called normal but for its gain
)


@dataclass(frozen=True)
class SoundCondition:
    """The state of the sound of a window, in numbers and in one sentence."""

    state: State
    sentence: str
    numbers: dict[str, float]


OK = SoundCondition("ok", "the sound can be judged again", {})


class Health:
    """The condition of one source of sound, window by window."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._normal = detector, detector.normal
        self.condition, self._without = OK, 0
        self._cause: Literal["machine", "microphone"] = "machine"  # of the alarm that is on

    def update(self, window: Window) -> SoundCondition:
        """The condition with ``window``."""
        found = self._examine(window)
        self._without = 0 if found.state == self.condition.state else self._without + 1
        if WORSE.index(found.state) >= WORSE.index(self.condition.state) or self._without >= ENDS:
            self.condition, self._without = found, 0
        return self.condition

    def _examine(self, window: Window) -> SoundCondition:
        checks = (self._silence, self._stuck, self._clipping, self._bandwidth, self._level)
        return next((found for check in checks if (found := check(window))), OK)

    def _limit(self, state: State, limit: float) -> float:
        return limit * STAYS if self.condition.state == state else limit

    def _silence(self, window: Window) -> SoundCondition | None:
        share = silent_share(window, self._detector.spec.floor_db)
        if share < self._limit("silence", INTERRUPTED):
            return None
        said = f"{share:.0%} of a second is silence"
        return SoundCondition(
            "silence", f"{said}; not judged: check the microphone and its cable", _share(share)
        )

    def _stuck(self, window: Window) -> SoundCondition | None:
        share = window.raw.stuck
        if share < self._limit("stuck", INTERRUPTED):
            return None
        said = f"for {share:.0%} of a second the samples stand still or repeat themselves"
        return SoundCondition(
            "stuck", f"{said}; not judged: reconnect the microphone", _share(share)
        )

    def _clipping(self, window: Window) -> SoundCondition | None:
        share = window.raw.clipped
        if share < self._limit("clipping", CLIPPED):
            return None
        said = f"{share:.2%} of the samples are clipped"
        return SoundCondition(
            "clipping", f"{said}: turn the gain down or move the microphone away", _share(share)
        )

    def _bandwidth(self, window: Window) -> SoundCondition | None:
        if window.bands is None:
            return None
        change, limit = window.bands - self._normal.bands, self._limit("bandwidth", MIN_DROP_DB)
        if change.min() > -limit:  # quick, and almost always so
            return None
        top = round((1 - TOP_SHARE) * len(change))
        edges = range(BELOW_BANDS + EDGE_BANDS, top - 2 * EDGE_BANDS)
        step = find_step_down(change, edges, top, _mean_loss, FELL * self._normal.band_std)
        drop, above = step.drop_db, float(self._normal.edges[step.band + 1])
        if above < LOWEST_EDGE or drop < limit:
            return None
        said = f"the sound above {above / 1000:.1f} kHz is missing ({drop:.0f} dB below normal)"
        advice = "the microphone or its rate changed, not the machine; mend it or calibrate again"
        return SoundCondition(
            "bandwidth",
            f"{said}: {advice}",
            {"above_hz": round(above), "missing_db": round(drop, 1)},
        )

    def _level(self, window: Window) -> SoundCondition | None:
        if window.bands is None or self._detector.machine is None:  # machines differ in level
            return None
        moved = np.sort(window.bands - self._normal.bands)
        quarter, half = len(moved) // 4, len(moved) // 2
        shift, scatter = float(moved[half]), float(moved[-quarter - 1] - moved[quarter]) / 1.35
        if abs(shift) < self._limit("level", max(LEVEL, DEVIATIONS * self._normal.level_std)):
            return None
        if scatter > min(max(LEAST_SCATTER, ALIKE * self._normal.scatter), abs(shift) / 2):
            return None
        said = f"all of the sound is {abs(shift):.1f} dB {'louder' if shift > 0 else 'quieter'} than normal"
        advice = "check the gain and the distance of the microphone, then calibrate again"
        return SoundCondition("level", f"{said}: {advice}", {"change_db": round(shift, 1)})

    def explained(self, event: AlarmEvent, window: Window) -> AlarmEvent:
        """``event`` with its cause, and what to check where it is the microphone."""
        if event.phase == "end":
            return replace(event, cause=self._cause)
        if self.condition.state == "ok":
            self._cause = "machine"
            return event
        self._cause = "microphone" if self._to_blame(window) else "machine"
        return replace(
            event, cause=self._cause, sentence=f"{self.condition.sentence}; {event.sentence}"
        )

    def _to_blame(self, window: Window) -> bool:
        """The condition alone explains that the sound is not as normal."""
        if self.condition.state == "clipping":
            return self.condition.numbers["share"] >= DISTORTED
        if self.condition.state == "level":
            return self._detector.head.kind != "mse" and self._normal_but_for_gain(window)
        return True

    def _normal_but_for_gain(self, window: Window) -> bool:
        """The input's distance, to which gain is no fault, as for the residual it may be, is one of normal sound."""
        head = self._detector.head
        reference = reference_for(self._detector.references(head.kind), head.windows)
        usual = float(np.quantile(reference.parts[:, 0], USUAL))
        return float(head.distances(window.features)[0]) <= usual


def silent_share(window: Window, floor_db: float) -> float:
    """Of the worst second, from the raw samples or, for precomputed features, from bands that are all at the floor."""
    if window.bands is not None and window.bands.max() <= floor_db:
        return 1.0
    return window.raw.silent


def _share(share: float) -> dict[str, Any]:
    return {"share": round(share, 5)}


def _mean_loss(below: Float64) -> Float64:
    """(n,) dB: the mean change of the bands below an edge, as far as it is a loss."""
    return np.minimum(below.mean(axis=1), 0.0)
