"""Is this sound fit to calibrate on? Each check gives one sentence, or nothing.

What is usual is read off the artifact: how far windows of healthy machines stray that were
calibrated alike (`edgeae.runtime.scoring.threshold`), and how far the fleet's own windows are from its
mean. A machine that is broken already when it is first was_used_for_fitting, and always sounds so, passes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgeae.runtime.audio.level import SILENCE_DBFS
from edgeae.runtime.monitoring.health import MIN_INTERRUPTED_SHARE, silent_share
from edgeae.runtime.scoring.calibration import threshold_for, was_used_for_fitting
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.explain import Explainer
from edgeae.runtime.scoring.window_stream import Window
from edgeae.runtime.system.arrays import Float64

from .consistency import unsteady
from .recording import CalibrationRecording, names, places

# What `edgeae run` calls silence, stuck and clipping (`edgeae.runtime.monitoring.health`), by the same measures.
# Stuck samples have the same limit. A recorder that starts gives .2 s of zeros, which run does not judge and
# calibration may learn from. Clipping that run would still judge is not to be learned as normal.
SILENT = 0.25  # share of a second
CLIPPED = 1e-4  # share of a window
MAX_DOMAIN_SHIFT = 10.0  # deviations of the fleet by which the network may miss the mean; healthy new machines reach 7.4
OTHER = "1%"  # of normal windows score above what an added session may score on the mean


def findings(
    detector: Detector, sounds: Sequence[CalibrationRecording], *, add: bool = False
) -> Iterator[str]:
    """What speaks against calibrating on ``sounds``, the plainest first; nothing if they are fit.

    add: to a machine that is calibrated already.
    """
    if silent := _silent(detector, sounds):
        yield silent
        return
    yield from filter(None, (check(detector, sounds) for check in (_muted, _stuck, _clipped)))
    windows = np.concatenate([detector.independent(sound.windows) for sound in sounds])
    if add and was_used_for_fitting(detector, windows, "learned"):
        yield f"{names(sounds)}: was learned before; give sound of another time"
    alien = _other_machine(detector, windows) if add else _strange(detector, sounds, windows)
    yield from filter(None, (alien, unsteady(detector, sounds, windows)))


def too_narrow(detector: Detector, sound: CalibrationRecording) -> str | None:
    """A warning where the sample rate leaves out a part of what the artifact listens to."""
    rate, highest = sound.samplerate, detector.spec.f_max
    if not 0 < rate < 2 * highest:
        return None
    return (
        f"{sound.name}: sampled at {rate} Hz, so it holds nothing above {rate / 2:.0f} Hz; "
        f"the artifact listens up to {highest:.0f} Hz: record at {2 * highest:.0f} Hz or more"
    )


def _silent(detector: Detector, sounds: Sequence[CalibrationRecording]) -> str | None:
    windows = _windows(detector, sounds)
    levels = [window.level for window in windows if window.level is not None]
    if _silence(detector, windows).min() < 1 or (levels and np.mean(levels) >= SILENCE_DBFS):
        return None
    level = (
        f" ({np.mean(levels):.0f} dBFS, at least {SILENCE_DBFS:.0f} is needed)" if levels else ""
    )
    return f"{names(sounds)}: the sound is silent{level}; check the microphone with `edgeae record`"


def _muted(detector: Detector, sounds: Sequence[CalibrationRecording]) -> str | None:
    if not (
        found := _beyond(detector, sounds, _silence(detector, _windows(detector, sounds)), SILENT)
    ):
        return None
    where, worst = found
    return (
        f"{where}: silence for {worst:.0%} of a second, allowed is less than {SILENT:.0%}; "
        f"see why the microphone was muted or gated, and record again"
    )


def _stuck(detector: Detector, sounds: Sequence[CalibrationRecording]) -> str | None:
    shares = np.array([window.raw.stuck for window in _windows(detector, sounds)])
    if not (found := _beyond(detector, sounds, shares, MIN_INTERRUPTED_SHARE)):
        return None
    where, worst = found
    return (
        f"{where}: for {worst:.0%} of a second the samples stand still or repeat themselves, "
        f"allowed is less than {MIN_INTERRUPTED_SHARE:.0%}; reconnect the microphone, record again"
    )


def _clipped(detector: Detector, sounds: Sequence[CalibrationRecording]) -> str | None:
    shares = np.array([window.raw.clipped for window in _windows(detector, sounds)])
    if not (found := _beyond(detector, sounds, shares, CLIPPED)):
        return None
    where, worst = found
    return (
        f"{where}: {worst:.2%} of the samples are clipped, allowed is less than {CLIPPED:.2%}; "
        f"turn the gain down or move the microphone away, and record again"
    )


def _beyond(
    detector: Detector, sounds: Sequence[CalibrationRecording], shares: Float64, limit: float
) -> tuple[str, float] | None:
    """Where the shares (n,) of the windows reach ``limit``, and the worst; None where none does."""
    worst = float(shares.max())
    return None if worst < limit else (places(detector, sounds, shares >= limit), worst)


def _windows(detector: Detector, sounds: Sequence[CalibrationRecording]) -> list[Window]:
    """Those that are learned from."""
    return [window for sound in sounds for window in detector.apart(sound.windows)]


def _silence(detector: Detector, windows: Sequence[Window]) -> Float64:
    """(n,) share of the worst second of each window."""
    return np.array([silent_share(window, detector.spec.floor_db) for window in windows])


def _strange(
    detector: Detector, sounds: Sequence[CalibrationRecording], windows: Float64
) -> str | None:
    """Another kind of machine, another bandwidth, another gain: the network cannot rebuild the mean sound."""
    mean, fleet = windows.mean(axis=0), detector.head.fleet
    deviations = math.sqrt(fleet.domain_shift(mean, len(windows)))
    if deviations <= MAX_DOMAIN_SHIFT:
        return None
    strange = np.array([fleet.domain_shift(window, 1) > MAX_DOMAIN_SHIFT**2 for window in windows])
    where = "this does" if strange.all() else f"{places(detector, sounds, strange)} do"
    return (
        f"{where} not sound like the machines of the training: their network misses the mean by {deviations:.1f} "
        f"standard deviations, allowed are {MAX_DOMAIN_SHIFT:g} ({_bands(detector, mean)}); check gain, sample rate and "
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
    moved = Explainer(detector.spec, detector.head, detector.band_std).explain(mean).moved
    return "; ".join(range_.sentence() for range_ in moved) or "no range of frequencies stands out"
