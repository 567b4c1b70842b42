"""The training recordings that a machine is calibrated on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeae.calibrate.calibrate import with_full_windows
from edgeae.calibrate.minutes import with_minutes
from edgeae.calibrate.recording import CalibrationRecording
from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import Recording, by_name
from edgeae.runtime.errors import AudioError
from edgeae.runtime.scoring.calibration import calibrated, was_used_for_fitting
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

from ..streams.joining import joined_frames
from .scoring_task import Report


def read_clips(
    pipeline: Pipeline,
    train: Sequence[Recording],
    clips: int,
    channel: Channel,
    report: Report,
    *,
    skip_bad: bool,
) -> list[CalibrationRecording]:
    """The first ``clips`` recordings by name.

    With ``skip_bad``: the first recordings that can be read.
    """
    result: list[CalibrationRecording] = []

    def read(recording: Recording) -> None:
        if len(result) < clips:
            windows = list(pipeline.read(recording.path, channel))
            result.append(CalibrationRecording(str(recording.path), windows))

    read_each(by_name(train), read, report, skip_bad=skip_bad)
    if len(result) < clips:
        raise AudioError(
            f"only {len(result)} training recordings can be read, but --calibration-clips asks for "
            f"{clips}"
        )
    return result


def read_seconds(
    pipeline: Pipeline, recordings: Sequence[Recording], seconds: float, channel: Channel
) -> list[CalibrationRecording]:
    """The first recordings by name that can be read, until they hold so many seconds."""
    clips: list[CalibrationRecording] = []

    def read(recording: Recording) -> None:
        if sum(clip.seconds for clip in clips) < seconds:
            windows = list(pipeline.read(recording.path, channel))
            clips.append(CalibrationRecording(str(recording.path), windows))

    read_each(by_name(recordings), read, lambda _: None, skip_bad=True)
    return clips


def were_used_for_fitting(detector: Detector, clips: Sequence[CalibrationRecording]) -> bool:
    """True if the network was trained on a clip: its scores are too low for a threshold."""
    windows = windows_of(detector, with_full_windows(clips))
    return was_used_for_fitting(windows, detector.artifact.head.fleet_marks)


def windows_of(pipeline: Pipeline, clips: Sequence[CalibrationRecording]) -> Float64:
    """(n_windows, n_features) of the windows of clips that do not overlap, clip by clip."""
    return np.concatenate([pipeline.independent(clip.windows) for clip in clips])


def are_short(clips: Sequence[CalibrationRecording]) -> bool:
    """True if a clip does not fill the decision window.

    Features of such windows vary more than those of the full windows of a stream.
    """
    return not all(clip.windows[0].is_full for clip in clips)


def joined_clips(
    pipeline: Pipeline, clips: Sequence[CalibrationRecording], channel: Channel
) -> CalibrationRecording:
    """The clips joined to one stream, as the test recordings are."""
    stream = pipeline.window_stream()
    windows: list[Window] = []
    paths = [Path(clip.name) for clip in clips]
    for frames in joined_frames(paths, pipeline.spec, channel):
        windows += stream.push_frames(frames)
    return CalibrationRecording("joined clips", windows + stream.flush())


def calibrated_for_streams(
    detector: Detector,
    clips: Sequence[CalibrationRecording],
    machine: str,
    budget: str | None,
    channel: Channel,
) -> Detector:
    """The detector of a machine for its streams: clips that are short are joined."""
    if are_short(clips):
        clips = [joined_clips(detector, clips, channel)]
    return calibrated_on(detector, clips, machine, budget)


def calibrated_on(
    detector: Detector, clips: Sequence[CalibrationRecording], machine: str, budget: str | None
) -> Detector:
    """The detector that `edgeae calibrate` makes of these recordings.

    budget: of false alarms; None: that of the artifact
    """
    full = with_full_windows(clips)
    windows = windows_of(detector, full)
    result = calibrated(detector, windows, machine=machine, false_alarms=budget)
    return with_minutes(None, result, full)
