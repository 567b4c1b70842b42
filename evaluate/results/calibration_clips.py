"""The training recordings that a machine is calibrated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_name
from edgeae.runtime.errors import AudioError
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

from ..streams.joining import joined_frames
from .scoring_task import Report


@dataclass(frozen=True)
class CalibrationClip:
    """One training recording and its windows."""

    path: Path
    windows: Sequence[Window]


def read_clips(
    pipeline: Pipeline,
    train: Sequence[Recording],
    clips: int,
    channel: Channel,
    report: Report,
    *,
    skip_bad: bool,
) -> list[CalibrationClip]:
    """The first ``clips`` recordings by name.

    With ``skip_bad``: the first recordings that can be read.
    """
    result: list[CalibrationClip] = []

    def read(recording: Recording) -> None:
        if len(result) < clips:
            windows = list(pipeline.read(recording.path, channel))
            result.append(CalibrationClip(recording.path, windows))

    read_each(by_name(train), read, report, skip_bad=skip_bad)
    if len(result) < clips:
        raise AudioError(
            f"only {len(result)} training recordings can be read, but --calibration-clips asks for "
            f"{clips}"
        )
    return result


def windows_of(pipeline: Pipeline, clips: Sequence[CalibrationClip]) -> Float64:
    """(n_windows, n_features) of clips one by one, as `edgeae calibrate` uses them."""
    return np.concatenate([pipeline.independent(clip.windows) for clip in clips])


def are_short(clips: Sequence[CalibrationClip]) -> bool:
    """True if a clip does not fill the decision window.

    Features of such windows vary more than those of the full windows of a stream.
    """
    return not all(clip.windows[0].is_full for clip in clips)


def joined_windows(
    pipeline: Pipeline, clips: Sequence[CalibrationClip], channel: Channel
) -> Float64:
    """(n_windows, n_features) of the clips joined to one stream, as the test recordings are."""
    stream = pipeline.window_stream()
    windows: list[Window] = []
    for frames in joined_frames([clip.path for clip in clips], pipeline.spec, channel):
        windows += stream.push_frames(frames)
    windows += stream.flush()
    full = [window for window in windows if window.is_full]
    return pipeline.independent(full or windows)
