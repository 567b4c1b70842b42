"""Fit an artifact to the one machine in front of the microphone. Runs on the device."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio import Channel, read_each
from edgeae.runtime.detector import Detector, Window
from edgeae.runtime.errors import AudioError
from edgeae.runtime.fitting import calibrated

SILENCE = -90.0  # dBFS, mean level below which nothing can be learned


def calibrate(
    detector: Detector,
    recordings: Iterable[NDArray[np.floating[Any]]],
    samplerate: int | None = None,
    *,
    machine: str = "default",
    false_alarms: str | None = None,
) -> Detector:
    """The detector of one machine from recordings (n,) of its normal sound.

    samplerate: Hz, default the artifact's. Raises AudioError for silence or a recording that is too short.

    >>> machine = calibrate(Detector.load("model.int8.onnx"), [samples])   # doctest: +SKIP
    >>> machine.artifact.write("machine.onnx")                             # doctest: +SKIP
    """
    rate = samplerate or detector.spec.sample_rate
    windows = [list(detector.windows([samples], rate)) for samples in recordings]
    return calibrate_windows(detector, windows, machine=machine, false_alarms=false_alarms)


def calibrate_files(
    detector: Detector,
    paths: Iterable[Path],
    *,
    channel: Channel = 0,
    machine: str = "default",
    false_alarms: str | None = None,
    skip_bad: bool = False,
    report: Callable[[str], None],
) -> Detector:
    """The same from files; what is wrong with one goes to ``report``."""
    read = read_each(paths, lambda path: list(detector.read(path, channel)), report, skip_bad=skip_bad)
    return calibrate_windows(detector, [windows for _, windows in read], machine=machine, false_alarms=false_alarms)


def calibrate_windows(
    detector: Detector, recordings: list[list[Window]], *, machine: str, false_alarms: str | None
) -> Detector:
    """The same from the windows of each recording."""
    levels = [window.level for windows in recordings for window in windows if window.level is not None]
    if levels and np.mean(levels) < SILENCE:
        raise AudioError(
            f"the sound is silent ({np.mean(levels):.0f} dBFS, at least {SILENCE:.0f} is needed); "
            f"check the microphone with `edgeae record`"
        )
    if any(window.full for windows in recordings for window in windows):  # shorter ones stray more
        recordings = [[window for window in windows if window.full] for windows in recordings]
    windows = np.concatenate([detector.independent(windows) for windows in recordings if windows])
    return calibrated(detector, windows, machine=machine, false_alarms=false_alarms)
