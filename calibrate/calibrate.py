"""Fit an artifact to the one machine in front of the microphone. Runs on the device."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.recordings import DEFAULT_MACHINE
from edgeae.runtime.audio.sound_file import samplerate_of
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.scoring.calibration import calibrated, extended
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.progress import Step, counted, no_step

from .checks import findings, too_narrow
from .recording import CalibrationRecording
from .uncertainty import stability


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


def calibrate(
    detector: Detector,
    recordings: Iterable[NDArray[np.floating[Any]]],
    samplerate: int | None = None,
    *,
    machine: str | None = None,
    false_alarms: str | None = None,
    add: bool = False,
    force: bool = False,
    report: Callable[[str], None] = _warn,
) -> Detector:
    """The detector of one machine from recordings (n,) of its normal sound.

    samplerate: Hz, default the artifact's; machine: default the name it has; add: to what it has learned
    before. Raises AudioError for a recording that is too short and for sound that is not fit to learn
    from (`edgeae.calibrate.checks`); with ``force`` the latter is only told to ``report``, by default a
    warning. Raises ConfigError for ``add`` without an earlier calibration, or to another machine.

    >>> machine = calibrate(Detector.load("model.int8.onnx"), [samples])   # doctest: +SKIP
    >>> machine.artifact.write("machine.onnx")                             # doctest: +SKIP
    """
    machine = name_of(detector, machine, add=add)
    rate = samplerate or detector.spec.sample_rate
    sounds = []
    for number, samples in enumerate(recordings, 1):
        sounds.append(
            CalibrationRecording(
                f"recording {number}", list(detector.windows([samples], rate)), rate
            )
        )
    return learn(
        detector,
        sounds,
        machine=machine,
        false_alarms=false_alarms,
        add=add,
        force=force,
        report=report,
    )


def calibrate_files(
    detector: Detector,
    paths: Iterable[Path],
    *,
    channel: Channel = 0,
    machine: str | None = None,
    false_alarms: str | None = None,
    add: bool = False,
    force: bool = False,
    skip_bad: bool = False,
    report: Callable[[str], None],
    step: Step = no_step,
) -> Detector:
    """The same from files; what is wrong with one goes to ``report``, and which is read to ``step``."""

    def read(path: Path) -> CalibrationRecording:
        return CalibrationRecording(
            str(path), list(detector.read(path, channel)), samplerate_of(path)
        )

    machine = name_of(detector, machine, add=add)
    sounds = [
        sound
        for _, sound in read_each(
            counted(paths, "recording", step), read, report, skip_bad=skip_bad
        )
    ]
    return learn(
        detector,
        sounds,
        machine=machine,
        false_alarms=false_alarms,
        add=add,
        force=force,
        report=report,
    )


def name_of(detector: Detector, machine: str | None, *, add: bool) -> str:
    """The name of the machine; ConfigError where there is nothing to add to, or it is another's."""
    if add and detector.machine is None:
        raise ConfigError(
            "--add: the artifact is not calibrated yet; calibrate it once without --add"
        )
    if add and machine not in (None, detector.machine):
        raise ConfigError(
            f"--add: the artifact is of the machine {detector.machine}, not of {machine}; calibrate {machine} without "
            f"--add, or give --machine {detector.machine} if this is its sound"
        )
    return machine or detector.machine or DEFAULT_MACHINE


def learn(
    detector: Detector,
    sounds: Sequence[CalibrationRecording],
    *,
    machine: str,
    false_alarms: str | None,
    add: bool,
    force: bool,
    report: Callable[[str], None],
) -> Detector:
    """The same from what was heard."""
    sounds = _full(sounds)
    for warning in filter(None, (too_narrow(detector, sound) for sound in sounds)):
        report(warning)
    for finding in findings(detector, sounds, add=add):
        if not force:
            raise AudioError(f"{finding} (or --force)")
        report(finding)
    windows = np.concatenate([detector.independent(sound.windows) for sound in sounds])
    seconds = round(sum(sound.seconds for sound in sounds), 1)
    if add:
        result = extended(detector, windows, false_alarms=false_alarms, seconds=seconds)
    else:
        result = calibrated(
            detector, windows, false_alarms=false_alarms, machine=machine, seconds=seconds
        )
    head = {**result.artifact.sections["head"], "stability": stability(result)}
    return result.with_sections(head=head)


def _full(sounds: Sequence[CalibrationRecording]) -> list[CalibrationRecording]:
    """Without windows shorter than the decision window, which stray more, if there are others."""
    if any(window.full for sound in sounds for window in sound.windows):
        for sound in sounds:
            sound.windows = [window for window in sound.windows if window.full]
    if not any(sound.windows for sound in sounds):
        raise ConfigError("calibration needs at least one window of normal sound")
    return [sound for sound in sounds if sound.windows]
