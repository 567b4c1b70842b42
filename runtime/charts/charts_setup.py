"""What the charts of a machine begin with: its calibration, and what the fleet shows."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..errors import ArtifactError
from ..scoring.detector import Detector
from .minute_pool import MINUTE_SECONDS
from .normal_sound import MAX_MINUTES, NormalSound
from .view_chart import ChartPrior, ViewChart

# Windows that the fleet was fitted on show little of how far new sound of the machine deviates: the
# charts rather begin with the first minutes that are monitored.
FLEET_MEAN_WEIGHT = 0.05  # number of minutes that such a calibration is worth


def has_charts(detector: Detector) -> bool:
    """Whether a detector can have charts: it is calibrated, and its score is a distance."""
    return (
        detector.machine is not None
        and detector.head.method.is_distance
        and detector.artifact.head.machine_sound is not None
    )


def calibration_sound(detector: Detector) -> NormalSound:
    """The normal sound that an artifact was calibrated on; ArtifactError if it is damaged."""
    section = detector.artifact.head.machine_sound
    std = detector.head.fleet.within_std
    minutes = np.empty((0, len(std)))
    if section is not None and section.minutes is not None:
        minutes = section.minutes
    is_damaged = (
        section is None
        or not len(section.windows)
        or section.windows.shape[1:] != std.shape
        or minutes.shape[1:] != std.shape
        or len(minutes) > MAX_MINUTES
    )
    if section is None or is_damaged:
        raise ArtifactError(
            "the calibration has no usable windows; calibrate the machine anew without --add"
        )
    windows = section.windows / std
    n_windows = 1 if section.is_of_fleet else section.n_windows
    return NormalSound(windows, n_windows, windows.mean(axis=0), list(minutes / std), len(minutes))


def chart_priors(detector: Detector) -> tuple[ChartPrior, ...]:
    """What the training machines show of each view's distances, else general values."""
    head = detector.artifact.head
    sections = {section.view: section for section in head.chart_priors}
    priors: list[ChartPrior] = []
    for view in detector.head.fleet.views:
        section = sections.get(view.name)
        prior = ChartPrior(section.offset, section.spread) if section else ChartPrior()
        if head.machine_sound is not None and head.machine_sound.is_of_fleet:
            prior = replace(prior, mean_weight=FLEET_MEAN_WEIGHT)
        priors.append(prior)
    return tuple(priors)


@lru_cache(maxsize=8)
def calibration_score(detector: Detector) -> float:
    """The mean score of the windows of the calibration."""
    windows = calibration_sound(detector).windows * detector.head.fleet.within_std
    return float(detector.head.score(windows).mean())


@lru_cache(maxsize=8)
def calibrated_charts(detector: Detector) -> tuple[ViewChart, ...]:
    """The chart of each view as the calibration leaves it; every source takes copies.

    Fitting them takes ten times as long as scoring ten seconds of sound, so all recordings that a
    detector scores share it.
    """
    fleet = detector.head.fleet
    sound = calibration_sound(detector)
    return tuple(
        ViewChart(fleet, view, prior, MINUTE_SECONDS / detector.window, sound)
        for view, prior in zip(fleet.views, chart_priors(detector), strict=True)
    )
