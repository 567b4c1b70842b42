"""Background noise that is declared no fault: recordings made while the machine is off.

    excerpts of the machine  +  background at several levels  ->  windows  ->  change of features

What the background does to the features of the machine's normal sound is added to the covariance of
the head, as generic noise is when an artifact is exported (`edgeae.quantize.training_set`). The
sounds are added by their powers in the log-mel frames, so this needs little of a device.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..audio.channel import Channel
from ..errors import AudioError
from ..features.log_mel_file import read_log_mel
from ..features.mel import MelSpec
from ..features.mixing import mixed
from ..system.arrays import Float32, Float64
from .pipeline import Pipeline

# Ratios of the machine to the background: it may come nearer, or the machine may run slower.
SNRS_DB = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
# Of the covariance that the background adds. With a tenth, hum, pink noise and another machine of
# 20 dB SNR raise at most 2.5 % false alarms at 1 % asked (hum without: 100 %), and quiet sound
# loses at most .003 AUC. More than that only costs accuracy.
BACKGROUND_SHARE = 0.1
MIN_SECONDS = 2.0  # of a recording of the background


def read_background(
    paths: Sequence[Path], spec: MelSpec, channel: Channel = 0
) -> tuple[Float32, ...]:
    """Log-mel (n_frames, n_mels) dB of each recording of the background.

    Raises AudioError for one that cannot be read or is too short.
    """
    min_frames = round(MIN_SECONDS * spec.frames_per_second)
    recordings: list[Float32] = []
    for path in paths:
        frames = read_log_mel(path, spec, channel)
        if len(frames) < min_frames:
            seconds = len(frames) / spec.frames_per_second
            raise AudioError(
                f"{path}: {seconds:.1f} s of background; record at least {MIN_SECONDS:.0f} s, "
                f"better a minute, with the machine off"
            )
        recordings.append(frames)
    return tuple(recordings)


def background_changes(
    pipeline: Pipeline, excerpts: Iterable[Float32], background: Sequence[Float32]
) -> Float64:
    """(n, n_features) by which the features of windows change with this background.

    Scaled so that the sum of their squares is BACKGROUND_SHARE of the mean over the examples.

    excerpts: log-mel (n_frames, n_mels) dB of the machine's normal sound.
    background: log-mel (n_frames, n_mels) dB of recordings with the machine off.
    """
    changes: list[Float64] = []
    for frames in excerpts:
        quiet = pipeline.mean_features(frames)
        changes += [
            pipeline.mean_features(mixed(frames, noise, snr_db)) - quiet
            for noise in background
            for snr_db in SNRS_DB
        ]
    return np.asarray(np.array(changes) * np.sqrt(BACKGROUND_SHARE / len(changes)))
