"""Whole minutes of the calibration: what the control charts compare later minutes with.

Recordings of less than a minute give windows alone. From longer ones the first minute gives
windows, by which the others are pooled exactly as `edgeae run` pools its minutes
(`edgeae.runtime.charts.charts`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeae.runtime.charts.charts import Charts
from edgeae.runtime.charts.charts_setup import has_charts
from edgeae.runtime.charts.minute_pool import MINUTE_SECONDS
from edgeae.runtime.charts.normal_sound import MAX_MINUTES
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float64
from edgeae.runtime.system.spread import evenly_spread

from .recording import CalibrationRecording

MIN_MINUTES = 3  # of sound; less is kept as windows


def with_minutes(
    before: Detector | None, calibrated: Detector, recordings: Sequence[CalibrationRecording]
) -> Detector:
    """``calibrated`` with the whole minutes of its recordings.

    before: the detector that the recordings were added to; None for a first calibration.
    """
    if not has_charts(calibrated):
        return calibrated
    head = calibrated.artifact.head
    sound = head.machine_sound
    charts = Charts(calibrated)
    longest_first = sorted(recordings, key=lambda recording: -recording.seconds)
    minutes = [minute for each in longest_first for minute in charts.minutes(each.windows)]
    if sound is None or len(minutes) < MIN_MINUTES:
        return calibrated
    if before is None:
        # The first minute stays as windows, so no sound counts twice.
        first = calibrated.independent(longest_first[0].windows)
        windows = first[: _windows_per_minute(calibrated)]
        section = replace(
            sound, windows=windows, n_windows=len(windows), minutes=_thinned(minutes[1:])
        )
    else:
        old = before.artifact.head.machine_sound
        if old is None:
            return calibrated
        earlier = [] if old.minutes is None else list(old.minutes)
        section = replace(old, minutes=_thinned(earlier + minutes))
    return calibrated.with_sections(head=replace(head, machine_sound=section))


def _windows_per_minute(detector: Detector) -> int:
    return max(1, round(MINUTE_SECONDS / detector.window))


def _thinned(minutes: Sequence[Float64]) -> Float64:
    """(n, n_features) at most MAX_MINUTES of these minutes, evenly spread."""
    return np.array(evenly_spread(minutes, MAX_MINUTES))
