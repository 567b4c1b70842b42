"""The quietest normal sound of a machine: what `edgeae run` compares the level with.

All windows of the recordings count, also those that overlap: a quiet part that is shorter than a
window is whole in one of them only.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.runtime.monitoring.health import normal_level_of
from edgeae.runtime.monitoring.normal_level import LevelRuler
from edgeae.runtime.scoring.detector import Detector

from .recording import CalibrationRecording


def with_quietest(
    before: Detector | None, calibrated: Detector, recordings: Sequence[CalibrationRecording]
) -> Detector:
    """``calibrated`` with the spectrum of the quietest window of its recordings.

    before: the detector that the recordings were added to; None for a first calibration.
    """
    spectra = [
        window.bands
        for recording in recordings
        for window in recording.windows
        if window.bands is not None
    ]
    level_before = normal_level_of(before) if before else None
    if level_before:
        spectra.append(level_before.quietest)
    if not spectra:
        return calibrated
    ruler = LevelRuler.of(calibrated.spec, used=calibrated.band_std < MASKED_BAND_STD_DB)
    quietest = ruler.quietest(np.array(spectra))
    head = replace(calibrated.artifact.head, quietest_db=quietest)
    return calibrated.with_sections(head=head)
