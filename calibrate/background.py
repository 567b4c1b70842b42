"""Declares background noise, recorded with the machine off, no fault of a calibrated machine."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.scoring.background import background_changes
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.fleet import MAX_NOISE_DIRECTIONS, strongest_directions
from edgeae.runtime.system.arrays import Float32

from .excerpt import Excerpt

MAX_DIRECTIONS = 8


def with_background(
    detector: Detector, excerpts: Sequence[Excerpt], background: Sequence[Float32]
) -> Detector:
    """The detector with this background as no fault.

    excerpts: normal sound of the machine.
    background: log-mel (n_frames, n_mels) dB of recordings with the machine off.

    Raises ConfigError without an excerpt.
    """
    if not excerpts:
        raise ConfigError("--background needs sound of the machine that is longer than a patch")
    sound = (excerpt.log_mel(detector.spec) for excerpt in excerpts)
    changes = background_changes(detector, sound, background)
    fleet = detector.head.fleet
    added = strongest_directions(changes, fleet.within_std, MAX_DIRECTIONS)
    together = np.concatenate([fleet.noise_directions, added])
    n_directions = MAX_NOISE_DIRECTIONS + MAX_DIRECTIONS
    directions = strongest_directions(together, fleet.within_std, n_directions)
    head = detector.artifact.head
    return detector.with_sections(
        head=replace(head, fleet=replace(head.fleet, noise_directions=directions))
    )
