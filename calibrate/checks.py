"""Is this sound fit to calibrate on? Each check returns one message, or nothing.

The limits are read from the artifact: how much windows of healthy machines vary that were
calibrated alike (`edgeae.runtime.scoring.threshold`), and how far the fleet's own windows are from
its mean. A machine that is already faulty at its first recording, and always sounds so, passes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgeae.runtime.audio.level import SILENCE_DBFS
from edgeae.runtime.monitoring.health import (
    MIN_INTERRUPTED_SHARE,
    normal_level_of,
    silent_share,
)
from edgeae.runtime.scoring.calibration import threshold_for, was_used_for_fitting
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

from .consistency import find_outlier_windows
from .machine_kind import MAX_RESIDUAL_DEVIATIONS, distance_of_other_kind
from .recording import CalibrationRecording, name_recordings, name_windows

# `edgeae run` measures silence, stuck and clipping in the same way
# (`edgeae.runtime.monitoring.health`), and stuck samples have the same limit. A recorder that
# starts gives .2 s of zeros, which run does not judge and calibration may learn from. Some clipping
# that run still judges must not be learned as normal.
MAX_SILENT_SHARE = 0.25  # of a second
MAX_CLIPPED_SHARE = 1e-4  # of a window
# Limit of the root mean square, over the bands, of the network's error for the mean sound, in
# standard deviations of the fleet; healthy new machines reach 7.4. `Fleet.domain_shift` is its
# square.
MAX_DOMAIN_SHIFT = 10.0
# This share of normal windows score above the mean score that an added session may have.
OTHER_MACHINE_BUDGET = "1%"

Recordings = Sequence[CalibrationRecording]


def find_problems(
    detector: Detector, recordings: Recordings, *, add: bool = False, of_alarms: bool = False
) -> Iterator[str]:
    """Yield the reasons against calibrating on ``recordings``, the most obvious first.

    add: the machine is already calibrated, and these recordings are added.
    of_alarms: they raised alarms of this machine, so they differ from the calibration, and begin
        with normal sound.
    """
    if silent := _find_silence(detector, recordings):
        yield silent
        return
    for check in (_find_muted, _find_stuck, _find_clipped):
        if problem := check(detector, recordings):
            yield problem
    windows = np.concatenate([detector.independent(each.windows) for each in recordings])
    if add and (off := _find_off(detector, recordings)):
        yield off
    if add and was_used_for_fitting(windows, detector.artifact.head.machine_marks):
        yield f"{name_recordings(recordings)}: was already learned; give sound of another time"
    if add:
        wrong_machine = _find_other_kind(detector, windows, add)
        if not wrong_machine and not of_alarms:
            wrong_machine = _find_other_machine(detector, windows)
    else:
        wrong_machine = _find_domain_shift(detector, recordings, windows) or _find_other_kind(
            detector, windows, add
        )
    if wrong_machine:
        yield wrong_machine
    if of_alarms:
        return
    if outliers := find_outlier_windows(detector, recordings, windows):
        yield outliers


def find_low_samplerate(detector: Detector, recording: CalibrationRecording) -> str | None:
    """A warning if the sample rate excludes part of the frequencies that the artifact uses."""
    samplerate = recording.samplerate
    f_max = detector.spec.f_max
    if not 0 < samplerate < 2 * f_max:
        return None
    return (
        f"{recording.name}: sampled at {samplerate} Hz, so it holds nothing above "
        f"{samplerate / 2:.0f} Hz; the artifact uses frequencies up to {f_max:.0f} Hz: "
        f"record at {2 * f_max:.0f} Hz or more"
    )


def _find_silence(detector: Detector, recordings: Recordings) -> str | None:
    """All of it is silent."""
    windows = _windows(detector, recordings)
    if _silent_shares(detector, windows).min() < 1:
        return None
    levels = [window.level for window in windows if window.level is not None]
    level = ""
    if levels:
        mean_db = float(np.mean(levels))
        if mean_db >= SILENCE_DBFS:
            return None
        level = f" ({mean_db:.0f} dBFS, at least {SILENCE_DBFS:.0f} is needed)"
    return (
        f"{name_recordings(recordings)}: the sound is silent{level}; "
        f"{_advice_for_silence(recordings)}"
    )


def _advice_for_silence(recordings: Recordings) -> str:
    for recording in recordings:
        if recording.other_channel is not None:
            other = recording.other_channel
            return f"channel {other} is not: give --channel {other}"
    return "check the microphone with `edgeae record`"


def _find_muted(detector: Detector, recordings: Recordings) -> str | None:
    """Part of it is silent."""
    shares = _silent_shares(detector, _windows(detector, recordings))
    worst = float(shares.max())
    if worst < MAX_SILENT_SHARE:
        return None
    place = name_windows(detector, recordings, shares >= MAX_SILENT_SHARE)
    return (
        f"{place}: silence for {worst:.0%} "
        f"of a second, allowed is less than {MAX_SILENT_SHARE:.0%}; "
        f"find out why the microphone was muted or gated, and record again"
    )


def _find_stuck(detector: Detector, recordings: Recordings) -> str | None:
    shares = np.array([window.raw.stuck for window in _windows(detector, recordings)])
    worst = float(shares.max())
    if worst < MIN_INTERRUPTED_SHARE:
        return None
    place = name_windows(detector, recordings, shares >= MIN_INTERRUPTED_SHARE)
    return (
        f"{place}: for {worst:.0%} of a "
        f"second the samples are constant or repeat themselves, allowed is less than "
        f"{MIN_INTERRUPTED_SHARE:.0%}; reconnect the microphone, record again"
    )


def _find_clipped(detector: Detector, recordings: Recordings) -> str | None:
    shares = np.array([window.raw.clipped for window in _windows(detector, recordings)])
    worst = float(shares.max())
    if worst < MAX_CLIPPED_SHARE:
        return None
    place = name_windows(detector, recordings, shares >= MAX_CLIPPED_SHARE)
    return (
        f"{place}: {worst:.2%} of the samples "
        f"are clipped, allowed is less than {MAX_CLIPPED_SHARE:.2%}; "
        f"turn the gain down or move the microphone away, and record again"
    )


def _find_off(detector: Detector, recordings: Recordings) -> str | None:
    """Part of it is what `edgeae run` does not judge: it would be the machine's quietest sound."""
    level = normal_level_of(detector)
    if level is None:
        return None
    spectra = [window.bands for window in _windows(detector, recordings)]
    is_off = np.array([bands is not None and level.is_off(bands) for bands in spectra])
    if not is_off.any():
        return None
    below_db = max(
        level.below_db(bands)
        for bands, off in zip(spectra, is_off, strict=True)
        if off and bands is not None
    )
    return (
        f"{name_windows(detector, recordings, is_off)}: the machine is off or the microphone is "
        f"dead: {below_db:.0f} dB below its calibration; check both, and record again"
    )


def _windows(detector: Detector, recordings: Recordings) -> list[Window]:
    """The windows that do not overlap: those that calibration learns from."""
    return [window for recording in recordings for window in detector.apart(recording.windows)]


def _silent_shares(detector: Detector, windows: Sequence[Window]) -> Float64:
    """(n,) share of silence in the worst second of each window."""
    return np.array([silent_share(window, detector.spec.floor_db) for window in windows])


def _find_domain_shift(detector: Detector, recordings: Recordings, windows: Float64) -> str | None:
    """Another kind of machine, bandwidth or gain: the network cannot reconstruct the mean sound."""
    mean = windows.mean(axis=0)
    fleet = detector.head.fleet
    deviations = math.sqrt(fleet.domain_shift(mean, len(windows)))
    if deviations <= MAX_DOMAIN_SHIFT:
        return None
    shifted = np.array([fleet.domain_shift(each, 1) > MAX_DOMAIN_SHIFT**2 for each in windows])
    place = name_windows(detector, recordings, shifted)
    subject = "this does" if shifted.all() else f"{place} do"
    return (
        f"{subject} not sound like the machines of the training: their network misses the mean by "
        f"{deviations:.1f} standard deviations, allowed are {MAX_DOMAIN_SHIFT:g} "
        f"({_changed_bands(detector, mean)}); check gain, sample rate and placement, "
        f"or train on machines of this kind"
    )


def _find_other_kind(detector: Detector, windows: Float64, add: bool) -> str | None:
    """Another kind of machine than those that the artifact knows, also where it knows only one."""
    distance = distance_of_other_kind(detector, windows, add=add)
    if distance is None:
        return None
    trained = "the machines of the training"
    advice = "check the artifact, microphone and placement, or train on machines of this kind"
    if add:
        trained = str(detector.machine)
        advice = "check the machine and the microphone, or calibrate again without --add"
    bands = _changed_bands(detector, windows.mean(axis=0))
    return (
        f"this is another kind of sound than that of {trained}: besides gain, the mean spectrum "
        f"differs by {distance.spectrum_db:.1f} dB, allowed are {distance.spectrum_limit_db:.1f}, "
        f"and the network's error by {distance.residual_deviations:.1f} standard deviations, "
        f"allowed are {MAX_RESIDUAL_DEVIATIONS:.1f} ({bands}); {advice}"
    )


def _find_other_machine(detector: Detector, windows: Float64) -> str | None:
    """Not the sound that the machine was calibrated on."""
    limit = threshold_for(detector, OTHER_MACHINE_BUDGET).value
    score = float(detector.head.score(windows).mean())
    if score <= limit:
        return None
    return (
        f"this is not the sound that {detector.machine} was calibrated on: score {score:.1f}, "
        f"allowed is {limit:.1f} ({_changed_bands(detector, windows.mean(axis=0))}); "
        f"check the machine, or calibrate again without --add"
    )


def _changed_bands(detector: Detector, mean: Float64) -> str:
    """The ranges of frequencies that differ from normal, in words."""
    explanation = Explainer(detector.spec, detector.head, detector.band_std).explain(mean)
    ranges = [moved.sentence() for moved in explanation.moved]
    return "; ".join(ranges) or "no range of frequencies stands out"
