"""Windows of a calibrated machine that vary as those of its calibration."""

import numpy as np

from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.window_stream import Window

STEP_SECONDS = 1.024
WINDOWS_PER_MINUTE = 59


def monitored_windows(
    detector: Detector, minutes: float, *, start: float = 0.0, shift: float = 0.0, seed: int = 0
) -> list[Window]:
    """Windows a patch apart, from ``start`` seconds on.

    shift: of every feature, in deviations of the fleet.
    """
    section = detector.artifact.head.machine_sound
    assert section is not None
    mean = section.windows.mean(axis=0)
    directions = (section.windows - mean) / np.sqrt(len(section.windows))
    n = round(minutes * WINDOWS_PER_MINUTE)
    weights = np.random.default_rng([seed, 3]).standard_normal((n, len(directions)))
    features = mean + weights @ directions + shift * detector.head.fleet.within_std
    return [
        Window(round(start + (i + 1) * STEP_SECONDS, 3), row, -30.0)
        for i, row in enumerate(features)
    ]
