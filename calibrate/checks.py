"""Is this sound fit to calibrate on? Each check gives one sentence, or nothing.

What is usual is read off the artifact: how far windows of healthy machines stray that were
calibrated alike (`edgeae.runtime.threshold`), and how far the fleet's own windows are from its
mean. A machine that is broken already when it is first heard, and always sounds so, passes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgeae.runtime.detector import Detector, Window
from edgeae.runtime.events import moved_bands
from edgeae.runtime.fitting import threshold_for
from edgeae.runtime.head import Float64
from edgeae.runtime.output import describe_bands

from .sound import Sound, names, places
from .steadiness import unsteady

SILENCE = -90.0  # dBFS, mean level below which nothing can be learned
STUCK = 0.5  # seconds of equal samples; a recorder that starts gives 0.2, sound through a microphone none
CLIPPED = 1e-4  # share of samples at full scale
STRANGEST = 5.0  # deviations of the fleet, root mean square of the bands, by which the network may miss the mean
OTHER = "1%"  # of normal windows score above what an added session may score on the mean


def findings(detector: Detector, sounds: Sequence[Sound], *, add: bool = False) -> Iterator[str]:
    """What speaks against calibrating on ``sounds``, the plainest first; nothing if they are fit.

    add: to a machine that is calibrated already.
    """
    if silent := _silent(sounds):
        yield silent
        return
    yield from filter(None, (check(sound) for check in (_stuck, _clipped) for sound in sounds))
    windows = np.concatenate([detector.independent(sound.windows) for sound in sounds])
    alien = _other_machine(detector, windows) if add else _strange(detector, sounds, windows)
    yield from filter(None, (alien, unsteady(detector, sounds, windows)))


def too_narrow(detector: Detector, sound: Sound) -> str | None:
    """A warning where the sample rate leaves out a part of what the artifact listens to."""
    rate, highest = sound.samples.samplerate, detector.spec.f_max
    if not 0 < rate < 2 * highest:
        return None
    return (
        f"{sound.name}: sampled at {rate} Hz, so it holds nothing above {rate / 2:.0f} Hz; "
        f"the artifact listens up to {highest:.0f} Hz: record at {2 * highest:.0f} Hz or more"
    )


def _silent(sounds: Sequence[Sound]) -> str | None:
    levels = [window.level for sound in sounds for window in sound.windows if window.level is not None]
    if not levels or np.mean(levels) >= SILENCE:
        return None
    return (
        f"{names(sounds)}: the sound is silent ({np.mean(levels):.0f} dBFS, at least {SILENCE:.0f} is needed); "
        f"check the microphone with `edgeae record`"
    )


def _stuck(sound: Sound) -> str | None:
    samples = sound.samples
    if samples.stuck < STUCK * samples.samplerate or not samples.samplerate:
        return None
    began, lasted = samples.stuck_from / samples.samplerate, samples.stuck / samples.samplerate
    return (
        f"{sound.name}: digital silence for {lasted:.1f} s from second {began:.1f} on, allowed are {STUCK:g} s of "
        f"equal samples; see why the microphone was muted or gated, and record again"
    )


def _clipped(sound: Sound) -> str | None:
    share = sound.samples.clipped / max(1, sound.samples.count)
    if share <= CLIPPED:
        return None
    return (
        f"{sound.name}: {share:.2%} of the samples are at full scale, allowed is {CLIPPED:.2%}: the sound is clipped; "
        f"turn the gain down or move the microphone away, and record again"
    )


def _strange(detector: Detector, sounds: Sequence[Sound], windows: Float64) -> str | None:
    """Another kind of machine, another bandwidth, another gain: the network cannot rebuild the mean sound."""
    mean, fleet = windows.mean(axis=0), detector.head.fleet
    deviations = math.sqrt(fleet.strangeness(mean, len(windows)))
    if deviations <= STRANGEST:
        return None
    strange = np.array([fleet.strangeness(window, 1) > STRANGEST**2 for window in windows])
    where = "this does" if strange.all() else f"{places(detector, sounds, strange)} do"
    return (
        f"{where} not sound like the machines of the training: their network misses the mean by {deviations:.1f} "
        f"standard deviations, allowed are {STRANGEST:g} ({_bands(detector, mean)}); check gain, sample rate and "
        f"placement, or train on machines of this kind"
    )


def _other_machine(detector: Detector, windows: Float64) -> str | None:
    """Not the sound that the machine was calibrated on."""
    limit = threshold_for(detector, OTHER).value
    score = float(detector.head.score(windows).mean())
    if score <= limit:
        return None
    return (
        f"this is not the sound that {detector.machine} was calibrated on: score {score:.1f}, allowed is {limit:.1f} "
        f"({_bands(detector, windows.mean(axis=0))}); look after the machine, or calibrate anew without --add"
    )


def _bands(detector: Detector, mean: Float64) -> str:
    return describe_bands(moved_bands(detector, Window(0.0, mean, None)))
