"""Known sensitivity: the smallest change of each type that a calibrated detector reports.

    excerpts ---> planted change ---> windows ---> mean features
        |                                              |  minus
        `-----------------------> windows ---> mean features  = shift
                                                       |
                            does this shift raise an alarm within a minute? ten?

Each type is planted at a few strengths; between them the shift is interpolated, so the smallest
strength costs no more sound. Nothing is recorded, and no fault has to be known.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeae.runtime.audio.resample import PASSBAND
from edgeae.runtime.charts.charts import Charts
from edgeae.runtime.charts.charts_setup import has_charts
from edgeae.runtime.model.sections import SensitivitySection
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.threshold import probability_of
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.progress import Step, counted, no_step

from .excerpt import Excerpt, machine_level
from .planted_changes import PlantedChange, planted_changes
from .recording import CalibrationRecording

MINUTE_SECONDS = 60.0
MAX_DELAY_SECONDS = 600.0
WITHIN_SECONDS = (MINUTE_SECONDS, MAX_DELAY_SECONDS)
BUDGETS = ("1/month", "1/week", "1/day", "1/hour")  # the rarest first
MAX_NAMED_CHANGES = 3  # in the warning
TRAINED_ON_ADVICE = (
    "some of these recordings were used for training, which makes the detector cautious: "
    "calibrate on others"
)

Detects = Callable[[Float64, float], bool]  # shift (n_features,), seconds


@dataclass(frozen=True)
class MeasuredChange:
    """What one type of change does to the mean features of a machine."""

    change: PlantedChange
    shifts: Float64  # (n_strengths, n_features)

    def shift(self, strength: float) -> Float64:
        """(n_features,) at a strength; between two that were planted, interpolated."""
        strengths = self.change.strengths
        place = float(np.interp(strength, strengths, np.arange(len(strengths))))
        low = min(int(place), len(strengths) - 2)
        share = place - low
        return np.asarray((1 - share) * self.shifts[low] + share * self.shifts[low + 1])

    def smallest_detected(self, detects: Detects, within_seconds: float) -> SensitivitySection:
        """The smallest strength that is detected; the largest, as not detected, if none is."""
        first = self.change.strengths[0]
        last = self.change.strengths[-1]
        strengths = np.arange(first, last + 1e-9, self.change.resolution).tolist()
        index = bisect_left(
            strengths, True, key=lambda strength: detects(self.shift(strength), within_seconds)
        )
        is_detected = index < len(strengths)
        strength = strengths[index] if is_detected else last
        return SensitivitySection(
            kind=self.change.name,
            change=self.change.describe(strength),
            strength=strength,
            unit=self.change.unit,
            within_seconds=within_seconds,
            is_detected=is_detected,
        )


def measure_changes(
    pipeline: Pipeline,
    excerpts: Sequence[Excerpt],
    changes: Sequence[PlantedChange],
    step: Step = no_step,
) -> list[MeasuredChange]:
    """Plant each change at each of its strengths into the excerpts.

    step: is called before each change.
    """
    level = machine_level(excerpts)
    normal = _mean_features(pipeline, excerpts)
    measured: list[MeasuredChange] = []
    for change in counted(changes, "sensitivity: change", step):
        shifts = [
            _mean_features(pipeline, [change.plant(each, strength, level) for each in excerpts])
            - normal
            for strength in change.strengths
        ]
        measured.append(MeasuredChange(change, np.array(shifts)))
    return measured


def find_sensitivity(
    measured: Sequence[MeasuredChange], detects: Detects
) -> tuple[SensitivitySection, ...]:
    """The smallest detected strength of each change, within a minute and within ten."""
    return tuple(
        each.smallest_detected(detects, seconds) for each in measured for seconds in WITHIN_SECONDS
    )


def find_missed_changes(measured: Sequence[MeasuredChange], detects: Detects) -> list[str]:
    """The ordinary changes that are not detected within ten minutes, in words."""
    missed: list[str] = []
    for each in measured:
        strength = each.change.ordinary_strength
        if strength is not None and not detects(each.shift(strength), MAX_DELAY_SECONDS):
            missed.append(each.change.describe(strength))
    return missed


def missed_warning(
    measured: Sequence[MeasuredChange],
    requested: str,
    window: float,
    detects_at: Callable[[str], Detects],
) -> str | None:
    """A warning if ordinary changes would be missed at the requested budget.

    requested: budget of false alarms. window: length of a decision window, seconds.
    detects_at: what is detected at another budget.
    """
    missed = find_missed_changes(measured, detects_at(requested))
    if not missed:
        return None
    named = "; ".join(missed[:MAX_NAMED_CHANGES])
    n_more = len(missed) - MAX_NAMED_CHANGES
    more = f"; and {n_more} more" if n_more > 0 else ""
    text = (
        f"with {requested} false alarms, none of these changes would raise an alarm within ten "
        f"minutes: {named}{more}"
    )
    for budget in BUDGETS:
        is_rarer = probability_of(budget, window) <= probability_of(requested, window)
        if not is_rarer and not find_missed_changes(measured, detects_at(budget)):
            return f"{text}; with --false-alarms {budget} it would"
    return f"{text}; more normal sound (--add) makes the detector more sensitive"


def with_sensitivity(
    detector: Detector,
    recordings: Sequence[CalibrationRecording],
    report: Callable[[str], None],
    step: Step = no_step,
) -> Detector:
    """A calibrated detector that knows its sensitivity; unchanged if it has no charts.

    recordings: that it was calibrated on; changes are planted into their excerpts.
    report: is called with a warning if ordinary changes would be missed.
    step: is called as it proceeds.
    """
    excerpts = [recording.excerpt for recording in recordings if recording.excerpt]
    if not excerpts or not has_charts(detector):
        return detector
    changes = planted_changes(detector.spec, _max_frequency(detector, recordings))
    measured = measure_changes(detector, excerpts, changes, step)

    def detects_at(budget: str) -> Detects:
        probability = probability_of(budget, detector.window)
        threshold = replace(detector.threshold, probability=probability)
        return Charts(detector.with_sections(threshold=threshold)).detects

    budget = detector.threshold.false_alarms
    if warning := missed_warning(measured, budget, detector.window, detects_at):
        sound = detector.artifact.head.machine_sound
        was_trained_on = sound is not None and sound.is_of_fleet
        report(f"{warning}; {TRAINED_ON_ADVICE}" if was_trained_on else warning)
    sensitivity = find_sensitivity(measured, Charts(detector).detects)
    head = replace(detector.artifact.head, sensitivity=sensitivity)
    return detector.with_sections(head=head)


def _max_frequency(detector: Detector, recordings: Sequence[CalibrationRecording]) -> float:
    """Hz: the highest frequency that all recordings hold and the artifact uses."""
    f_max = detector.spec.f_max
    # Precomputed features have the sample rate 0.
    samplerates = [each.samplerate for each in recordings if each.samplerate]
    lowest = min(samplerates, default=2 * f_max)
    return f_max if lowest >= 2 * f_max else lowest / 2 * PASSBAND


def _mean_features(pipeline: Pipeline, excerpts: Sequence[Excerpt]) -> Float64:
    """(n_features,) the mean over the windows of all excerpts, by their duration."""
    means = [
        np.mean([window.features for window in excerpt.windows(pipeline)], axis=0)
        for excerpt in excerpts
    ]
    return np.average(means, axis=0, weights=[excerpt.seconds for excerpt in excerpts])
