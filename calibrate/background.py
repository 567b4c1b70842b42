"""Background noise that is declared no fault: recordings made while the machine is off.

    excerpts of the machine  +  background at several levels  ->  windows  ->  change of features

What the background does to the features of the machine's normal sound is added to the covariance of
the head, as generic noise is when an artifact is exported (`edgeae.quantize.training_set`). The
sounds are added by their powers in the log-mel frames, so this needs little of a device.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mixing import mixed
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.fleet import MAX_NOISE_DIRECTIONS, strongest_directions
from edgeae.runtime.system.arrays import Float32, Float64

from .excerpt import Excerpt

# Ratios of the machine to the background: it may come nearer, or the machine may run slower.
SNRS_DB = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
# Of the covariance that the background adds. With a tenth, hum, pink noise and another machine of
# 20 dB SNR raise at most 2.5 % false alarms at 1 % asked (hum without: 100 %), and quiet sound
# loses at most .003 AUC. More than that only costs accuracy.
BACKGROUND_SHARE = 0.1
MAX_DIRECTIONS = 8
MIN_SECONDS = 2.0  # of a recording of the background


def read_background(
    paths: Sequence[Path], detector: Detector, channel: Channel = 0
) -> tuple[Float32, ...]:
    """Log-mel (n_frames, n_mels) dB of each recording of the background.

    Raises AudioError for one that cannot be read or is too short.
    """
    min_frames = round(MIN_SECONDS * detector.spec.frames_per_second)
    recordings: list[Float32] = []
    for path in paths:
        frames = read_log_mel(path, detector.spec, channel)
        if len(frames) < min_frames:
            seconds = len(frames) / detector.spec.frames_per_second
            raise AudioError(
                f"{path}: {seconds:.1f} s of background; record at least {MIN_SECONDS:.0f} s, "
                f"better a minute, with the machine off"
            )
        recordings.append(frames)
    return tuple(recordings)


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
    changes: list[Float64] = []
    for frames in (excerpt.log_mel(detector.spec) for excerpt in excerpts):
        quiet = detector.mean_features(frames)
        changes += [
            detector.mean_features(mixed(frames, noise, snr_db)) - quiet
            for noise in background
            for snr_db in SNRS_DB
        ]
    fleet = detector.head.fleet
    scaled = np.array(changes) * np.sqrt(BACKGROUND_SHARE / len(changes))
    added = strongest_directions(scaled, fleet.within_std, MAX_DIRECTIONS)
    together = np.concatenate([fleet.noise_directions, added])
    n_directions = MAX_NOISE_DIRECTIONS + MAX_DIRECTIONS
    directions = strongest_directions(together, fleet.within_std, n_directions)
    head = detector.artifact.head
    return detector.with_sections(
        head=replace(head, fleet=replace(head.fleet, noise_directions=directions))
    )
