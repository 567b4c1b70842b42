"""Did the machine change, or the microphone?

The states of the sound, the most severe first; one at a time is reported:

    silence     digital zeros, or a second below -90 dBFS                         not judged
    stuck       the samples are constant, or one buffer is repeated              not judged
    off         far less sound than this machine makes, or plain noise           not judged
    clipping    flat tops                                                        judged
    bandwidth   no sound above some frequency, where this machine has sound      judged
    noise       most bands are louder, by different numbers of dB, none quieter   judged
    level       all bands changed by nearly the same number of dB, as did power  judged

Silence, stuck and clipping are measured on the raw samples (`edgeae.runtime.audio.signal_quality`),
the others on the mean log-mel of the window against this machine's baseline; those work for
precomputed features, too. `off` (`edgeae.runtime.monitoring.normal_level`), `noise` and `level`
need a calibration, because machines differ in level.

A state begins at once, stays while its measure is above four fifths of its limit, and ends after
three windows without it; `off` ends after a whole decision window without it, so that no window is
judged that holds sound from before the machine was on.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from ..features.bandwidth import BELOW_BANDS, EDGE_BANDS, MIN_DROP_DB, find_step_down
from ..scoring.detector import Detector
from ..scoring.threshold import Reference, interpolated, quantile
from ..scoring.window_stream import Window, patches_of
from ..system.arrays import Float64
from .alarm import AlarmEvent, Cause
from .baseline import BandBaseline
from .normal_level import NormalLevel
from .states import SOUND_STATES, SoundState

END_WINDOWS = 3  # without a state, which end it
STAY_RATIO = 0.8  # of a limit, above which a state that is on stays on
MIN_INTERRUPTED_SHARE = 0.05  # of a second: silence, stuck
MIN_CLIPPED_SHARE = 5e-4  # of a window
MIN_DISTORTED_SHARE = 0.01  # of a window: from here on clipping explains an alarm

MIN_EDGE_HZ = 1000.0
IGNORED_TOP_SHARE = 0.05  # of the bands, at the top: a resampler changes them
MIN_BAND_DROP_STDS = 2.0  # standard deviations by which each band above the edge fell

MIN_LEVEL_CHANGE_DB = 4.0  # median of all bands ...
MIN_LEVEL_CHANGE_STDS = 3.0  # ... and standard deviations of the level
MAX_SCATTER_STDS = 2.0  # standard deviations by which the bands differ from their median ...
MIN_SCATTER_LIMIT_DB = 0.5  # ... if that is more than this
MAX_SCATTER_RATIO = 0.5  # of the change of the level
MIN_POWER_SHARE = 0.3  # of the change of the median, by which the power of all bands changes

MIN_NOISE_DB = 6.0  # median of all bands, if MIN_LEVEL_CHANGE_STDS are not more
QUIETEST_SHARE = 0.1  # of the bands may have become quieter than ...
MAX_FALL_RATIO = 0.5  # ... this share of the limit: added noise makes no band quieter

FLOOR_TOLERANCE_DB = 1e-3  # silence may be above the floor by the rounding of its logarithm
NORMAL_QUANTILE = 0.95  # of the distances of normal windows; below it, only the gain changed
IQR_STDS = 1.35  # interquartile range of a normal distribution, in standard deviations


@dataclass(frozen=True)
class SoundCondition:
    """The state of the sound of a window, in numbers and in one sentence."""

    state: SoundState
    sentence: str
    numbers: dict[str, float]  # of the status line: share, change_db, above_hz, missing_db


OK = SoundCondition("ok", "the sound can be judged again", {})


@dataclass(frozen=True)
class _BandChange:
    """How the bands of a window differ from normal."""

    measured: Float64  # (n_mels,) dB, as they are
    bands: Float64  # (n_mels,) dB, by which they differ
    ordered: Float64  # (n_mels,) dB, ascending
    median: float  # dB
    scatter: float  # dB, standard deviation by the quartiles

    @classmethod
    def of(cls, measured: Float64, normal: Float64) -> Self:
        change = measured - normal
        ordered = np.sort(change)
        quarter = len(ordered) // 4
        interquartile = float(ordered[-quarter - 1] - ordered[quarter])
        median = float(ordered[len(ordered) // 2])
        return cls(measured, change, ordered, median, interquartile / IQR_STDS)


class Health:
    """The condition of one source of sound, window by window."""

    def __init__(self, detector: Detector, baseline: BandBaseline | None = None) -> None:
        """baseline: the normal levels of the machine; by default those of the detector."""
        self._detector = detector
        self._normal = baseline or band_baseline_of(detector)
        self._normal_level = normal_level_of(detector)
        self.condition = OK
        self._windows_without = 0  # the condition, in a row
        self._alarm_cause: Cause = "machine"  # of the alarm that is on

    def update(self, window: Window) -> SoundCondition:
        """Add the next window; returns the condition with it."""
        measured = self._measure(window)
        if measured.state == self.condition.state:
            self._windows_without = 0
        else:
            self._windows_without += 1
        severity = SOUND_STATES.index(measured.state) - SOUND_STATES.index(self.condition.state)
        if severity >= 0 or self._windows_without >= self._end_windows:
            self.condition = measured
            self._windows_without = 0
        return self.condition

    @property
    def _end_windows(self) -> int:
        """How many windows without the condition end it."""
        if self.condition.state != "off":
            return END_WINDOWS
        detector = self._detector
        n_patches = patches_of(detector.window, detector.spec, detector.network)
        return max(END_WINDOWS, n_patches)

    def _measure(self, window: Window) -> SoundCondition:
        """The most severe condition of this window alone."""
        on_samples = self._silence(window) or self._stuck(window)
        if on_samples or window.bands is None:
            return on_samples or self._clipping(window) or OK
        change = _BandChange.of(window.bands, self._normal.bands)
        return (
            self._off(window)
            or self._clipping(window)
            or self._bandwidth(change)
            or self._noise(change)
            or self._level(window, change)
            or OK
        )

    def _limit(self, state: SoundState, limit: float) -> float:
        """The limit from which a state begins, or, if it is on, stays."""
        return limit * STAY_RATIO if self.condition.state == state else limit

    def _silence(self, window: Window) -> SoundCondition | None:
        share = silent_share(window, self._detector.spec.floor_db)
        if share < self._limit("silence", MIN_INTERRUPTED_SHARE):
            return None
        return SoundCondition(
            "silence",
            f"{'the sound' if share == 1 else f'{share:.0%} of a second'} is silent; not judged: "
            "check the microphone and its cable",
            _share(share),
        )

    def _stuck(self, window: Window) -> SoundCondition | None:
        share = window.raw.stuck
        if share < self._limit("stuck", MIN_INTERRUPTED_SHARE):
            return None
        return SoundCondition(
            "stuck",
            f"for {share:.0%} of a second the samples are constant or repeat themselves; "
            "not judged: reconnect the microphone",
            _share(share),
        )

    def _off(self, window: Window) -> SoundCondition | None:
        if window.bands is None or self._normal_level is None:
            return None
        if not self._normal_level.is_off(window.bands, self._limit("off", 1.0)):
            return None
        # The first windows hold sound from before, the last patch does not.
        latest = window.bands if window.latest is None else window.latest
        below_db = self._normal_level.below_db(latest.astype(np.float64))
        return SoundCondition(
            "off",
            "the machine is off or the microphone is dead: "
            f"{below_db:.0f} dB below its calibration; not judged: if the machine is on, check the "
            "microphone, its cable and its gain",
            {"below_db": round(below_db, 1)},
        )

    def _clipping(self, window: Window) -> SoundCondition | None:
        share = window.raw.clipped
        if share < self._limit("clipping", MIN_CLIPPED_SHARE):
            return None
        return SoundCondition(
            "clipping",
            f"{share:.2%} of the samples are clipped: "
            "turn the gain down or move the microphone away",
            _share(share),
        )

    def _bandwidth(self, change: _BandChange) -> SoundCondition | None:
        limit = self._limit("bandwidth", MIN_DROP_DB)
        if change.ordered[0] > -limit:  # quick, and almost always true
            return None
        top = round((1 - IGNORED_TOP_SHARE) * len(change.bands))
        edges = range(BELOW_BANDS + EDGE_BANDS, top - 2 * EDGE_BANDS)
        tolerance = MIN_BAND_DROP_STDS * self._normal.band_std
        step = find_step_down(change.bands, edges, top, _mean_loss, tolerance)
        edge_hz = float(self._normal.edges[step.band + 1])
        if edge_hz < MIN_EDGE_HZ or step.drop_db < limit:
            return None
        return SoundCondition(
            "bandwidth",
            f"the sound above {edge_hz / 1000:.1f} kHz is missing "
            f"({step.drop_db:.0f} dB below normal): the microphone or its sample rate changed, "
            "not the machine; repair it or calibrate again",
            {"above_hz": round(edge_hz), "missing_db": round(step.drop_db, 1)},
        )

    def _level(self, window: Window, change: _BandChange) -> SoundCondition | None:
        if self._detector.machine is None:  # machines differ in level
            return None
        median = change.median
        if abs(median) < self._limit("level", self._min_level_change(MIN_LEVEL_CHANGE_DB)):
            return None
        if not self._is_even(change):
            return None
        if median < 0 and self._turns_off(window):
            return None
        direction = "louder" if median > 0 else "quieter"
        noise = " and for another source of noise" if median > 0 else ""
        return SoundCondition(
            "level",
            f"all of the sound is {abs(median):.1f} dB {direction} than normal: "
            f"check the gain and the distance of the microphone{noise}, then calibrate again",
            {"change_db": round(median, 1)},
        )

    def _turns_off(self, window: Window) -> bool:
        """True if the end of the window is that of a machine that is off: soon all of it is."""
        if window.latest is None or self._normal_level is None:
            return False
        return self._normal_level.is_off(window.latest.astype(np.float64))

    def _noise(self, change: _BandChange) -> SoundCondition | None:
        if self._detector.machine is None:  # machines differ in level
            return None
        median = change.median
        limit = self._limit("noise", self._min_level_change(MIN_NOISE_DB))
        if median < limit or self._is_even(change):
            return None
        if quantile(change.ordered, QUIETEST_SHARE) < -MAX_FALL_RATIO * limit:
            return None
        return SoundCondition(
            "noise",
            f"most frequencies are louder than normal, half of them by {median:.1f} dB or more: "
            "look for a leak or another source of noise",
            {"change_db": round(median, 1)},
        )

    def _min_level_change(self, min_db: float) -> float:
        """The least change of the median of the bands, dB, that normal sound does not show."""
        return max(min_db, MIN_LEVEL_CHANGE_STDS * self._normal.level_std)

    def _is_even(self, change: _BandChange) -> bool:
        """True if all bands changed by nearly the same number of dB, as with another gain.

        Their power together then changed as well: a few loud bands that stayed are no change of
        gain, however many of the others moved.
        """
        max_scatter = max(MIN_SCATTER_LIMIT_DB, MAX_SCATTER_STDS * self._normal.scatter)
        if self.condition.state == "level":
            max_scatter /= STAY_RATIO
        if change.scatter > min(max_scatter, MAX_SCATTER_RATIO * abs(change.median)):
            return False
        if self._normal_level is None:
            return True
        power_db = self._normal_level.change_db(change.measured)
        return power_db / change.median >= self._limit("level", MIN_POWER_SHARE)

    def with_cause(self, event: AlarmEvent, window: Window) -> AlarmEvent:
        """``event`` with its cause, and with what to check if that is the microphone."""
        if event.phase == "end":
            return replace(event, cause=self._alarm_cause)
        if self.condition.state == "ok":
            self._alarm_cause = "machine"
            return event
        self._alarm_cause = "microphone" if self._microphone_explains(window) else "machine"
        sentence = f"{self.condition.sentence}; {event.sentence}"
        return replace(event, cause=self._alarm_cause, sentence=sentence)

    def _microphone_explains(self, window: Window) -> bool:
        """True if the condition alone explains that the sound is not normal."""
        if self.condition.state == "clipping":
            return self.condition.numbers["share"] >= MIN_DISTORTED_SHARE
        if self.condition.state == "level":
            return self._detector.head.method.is_distance and self._normal_but_for_gain(window)
        # Noise may be the machine's: a leak, a bearing.
        return self.condition.state != "noise"

    def _normal_but_for_gain(self, window: Window) -> bool:
        """True if the distances of the input's views are those of normal sound.

        The views of the input disregard gain; those of the network may not.
        """
        head = self._detector.head
        n_views = head.n_input_views

        def normal_distances(reference: Reference) -> Float64:
            of_input = reference.parts[:, :n_views]
            return np.array([quantile(of_view, NORMAL_QUANTILE) for of_view in of_input.T])

        references = self._detector.references(head.kind)
        limits = interpolated(references, head.windows, normal_distances)
        return bool((head.distances(window.features)[:n_views] <= limits).all())


@lru_cache(maxsize=8)
def band_baseline_of(detector: Detector) -> BandBaseline:
    """The normal levels of the machine; all sources of a detector share them."""
    return BandBaseline.of(detector.spec, detector.head, detector.artifact.explain)


@lru_cache(maxsize=8)
def normal_level_of(detector: Detector) -> NormalLevel | None:
    """The level of the machine's normal sound; None without a calibration: machines differ."""
    if detector.machine is None:
        return None
    level_std = band_baseline_of(detector).level_std
    artifact = detector.artifact
    return NormalLevel.of(detector.spec, artifact.head, artifact.explain, level_std)


def silent_share(window: Window, floor_db: float) -> float:
    """Share of the worst second of a window that is silence, 0 to 1.

    From the raw samples or, for precomputed features, from bands that are all at ``floor_db``.
    """
    if window.bands is not None and window.bands.max() <= floor_db + FLOOR_TOLERANCE_DB:
        return 1.0
    return window.raw.silent


def _share(share: float) -> dict[str, float]:
    return {"share": round(share, 5)}


def _mean_loss(below: Float64) -> Float64:
    """(n,) dB: the mean change of the bands below an edge, as far as it is a loss."""
    return np.asarray(np.minimum(below.mean(axis=1), 0.0))
