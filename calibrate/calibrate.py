"""Fit an artifact to the machine in front of the microphone. Runs on the device."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.other_channel import channel_with_sound
from edgeae.runtime.audio.recordings import DEFAULT_MACHINE
from edgeae.runtime.audio.sound_file import samplerate_of
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.scoring.calibration import calibrated, extended
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.progress import Step, counted, no_step

from .background import with_background
from .checks import find_low_samplerate, find_problems
from .excerpt import MAX_EXCERPT_SECONDS, ExcerptBudget
from .minutes import with_minutes
from .quietest import with_quietest
from .recording import CalibrationRecording
from .sensitivity import with_sensitivity
from .uncertainty import uncertainty_of


@dataclass(frozen=True)
class CalibrationOptions:
    """What a calibration makes of its recordings."""

    machine: str | None = None  # default: the name that the artifact has
    false_alarms: str | None = None  # budget; default: that of the artifact
    add: bool = False  # to what the artifact has learned of this machine before
    force: bool = False  # calibrate on sound that is unfit
    sensitivity: bool = False  # find the smallest changes that the detector reports
    of_alarms: bool = False  # a person called it normal, though it raised alarms
    background: tuple[Float32, ...] = ()  # (n_frames, n_mels) dB, with the machine off

    def excerpt_budget(self, detector: Detector) -> ExcerptBudget:
        """How much sound to keep, to plant changes into it."""
        max_seconds = MAX_EXCERPT_SECONDS if self.sensitivity or self.background else 0.0
        return ExcerptBudget(detector, max_seconds)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def calibrate(
    detector: Detector,
    recordings: Iterable[NDArray[np.floating[Any]]],
    samplerate: int | None = None,
    *,
    machine: str | None = None,
    false_alarms: str | None = None,
    add: bool = False,
    force: bool = False,
    sensitivity: bool = False,
    report: Callable[[str], None] = _warn,
) -> Detector:
    """The detector of one machine from recordings of its normal sound.

    recordings: samples (n,) each, full scale 1.
    samplerate: Hz; default: the artifact's.
    machine: its name; default: the name that the artifact has.
    false_alarms: budget such as 1/week; default: the artifact's.
    add: to what the artifact has learned of this machine before.
    force: calibrate on unfit sound, too; the reasons against it then go to ``report``.
    sensitivity: find the smallest changes that the detector reports, which takes some seconds; they
        are then in ``detector.artifact.head.sensitivity``.
    report: is called with warnings; by default it raises them as Python warnings.

    Raises AudioError for a recording that is too short and for unfit sound
    (`edgeae.calibrate.checks`), ConfigError for ``add`` without an earlier calibration, or to
    another machine.

    >>> machine = calibrate(Detector.load("model.int8.onnx"), [samples])   # doctest: +SKIP
    >>> machine.artifact.write("machine.onnx")                             # doctest: +SKIP
    """
    options = CalibrationOptions(machine, false_alarms, add, force, sensitivity)
    check_machine(detector, options)
    rate = samplerate or detector.spec.sample_rate
    budget = options.excerpt_budget(detector)
    sounds = [
        CalibrationRecording(
            f"recording {number}",
            list(detector.windows([samples], rate)),
            rate,
            excerpt=budget.of_samples(samples, rate),
        )
        for number, samples in enumerate(recordings, 1)
    ]
    return calibrate_recordings(detector, sounds, options, report)


def calibrate_files(
    detector: Detector,
    paths: Iterable[Path],
    *,
    channel: Channel = 0,
    machine: str | None = None,
    false_alarms: str | None = None,
    add: bool = False,
    force: bool = False,
    sensitivity: bool = False,
    of_alarms: bool = False,
    background: tuple[Float32, ...] = (),
    skip_bad: bool = False,
    report: Callable[[str], None],
    step: Step = no_step,
) -> Detector:
    """The detector of one machine from files of its normal sound.

    The other parameters are those of `calibrate`.
    channel: of each file.
    of_alarms: they raised alarms, and are normal; so they may differ from the calibration and from
        each other.
    background: log-mel (n_frames, n_mels) dB of recordings with the machine off.
    skip_bad: leave out files that cannot be read.
    step: is called with the number of the file that is read, and of the change that is planted.
    """
    options = CalibrationOptions(
        machine, false_alarms, add, force, sensitivity, of_alarms, background
    )
    budget = options.excerpt_budget(detector)

    def read(path: Path) -> CalibrationRecording:
        windows = list(detector.read(path, channel))
        excerpt = budget.of_file(path, channel)
        is_silent = all(window.raw.silent == 1 for window in windows)
        return CalibrationRecording(
            str(path),
            windows,
            samplerate_of(path),
            excerpt=excerpt,
            other_channel=channel_with_sound(path, channel) if is_silent else None,
        )

    check_machine(detector, options)
    results = read_each(counted(paths, "recording", step), read, report, skip_bad=skip_bad)
    recordings = [recording for _, recording in results]
    return calibrate_recordings(detector, recordings, options, report, step)


def check_machine(detector: Detector, options: CalibrationOptions) -> None:
    """ConfigError if there is no calibration to add to, or it is that of another machine."""
    if not options.add:
        return
    if detector.machine is None:
        raise ConfigError(
            "--add: the artifact is not calibrated yet; calibrate it once without --add"
        )
    if options.machine not in (None, detector.machine):
        raise ConfigError(
            f"--add: the artifact is of the machine {detector.machine}, not of {options.machine}; "
            f"calibrate {options.machine} without --add, or give --machine {detector.machine} "
            f"if this is its sound"
        )


def calibrate_recordings(
    detector: Detector,
    recordings: Sequence[CalibrationRecording],
    options: CalibrationOptions,
    report: Callable[[str], None],
    step: Step = no_step,
) -> Detector:
    """The detector of one machine from the windows of its recordings.

    report: is called with warnings. step: is called with the number of the change that is planted.
    Raises AudioError for unfit sound.
    """
    recordings = with_full_windows(recordings)
    for recording in recordings:
        if warning := find_low_samplerate(detector, recording):
            report(warning)
    for problem in find_problems(
        detector, recordings, add=options.add, of_alarms=options.of_alarms
    ):
        if not options.force:
            raise AudioError(f"{problem} (or --force)")
        report(problem)
    if options.background:
        excerpts = [recording.excerpt for recording in recordings if recording.excerpt]
        detector = with_background(detector, excerpts, options.background)
    windows = np.concatenate([detector.independent(recording.windows) for recording in recordings])
    seconds = round(sum(recording.seconds for recording in recordings), 1)
    if options.add:
        result = extended(detector, windows, false_alarms=options.false_alarms, seconds=seconds)
    else:
        result = calibrated(
            detector,
            windows,
            false_alarms=options.false_alarms,
            machine=options.machine or detector.machine or DEFAULT_MACHINE,
            seconds=seconds,
        )
    before = detector if options.add else None
    result = with_minutes(before, result, recordings)
    result = with_quietest(before, result, recordings)
    stability = uncertainty_of(result).to_section()
    result = result.with_sections(head=replace(result.artifact.head, stability=stability))
    if not options.sensitivity:
        return result
    return with_sensitivity(result, recordings, report, step)


def with_full_windows(recordings: Sequence[CalibrationRecording]) -> list[CalibrationRecording]:
    """The recordings without the windows that are shorter than the decision window.

    These vary more. If there are no others, all are kept. ConfigError if there are no windows.
    """
    full = [
        replace(recording, windows=[window for window in recording.windows if window.is_full])
        for recording in recordings
    ]
    chosen = full if any(recording.windows for recording in full) else recordings
    kept = [recording for recording in chosen if recording.windows]
    if not kept:
        raise ConfigError(
            "calibration needs at least one window of normal sound; give longer recordings"
        )
    return kept
