"""Test one capture device: open it, ask what it offers, measure its level, close it."""

from ctypes import byref, c_uint, c_void_p
from dataclasses import dataclass
from threading import Timer

import numpy as np

from ..audio.level import dbfs, peak, rms, without_offset
from ..audio.pcm import FORMATS
from ..errors import DeviceError
from ..system.arrays import Float32
from .alsa import RW_INTERLEAVED, Alsa, AlsaError
from .blocks import Gap
from .capture import Capture
from .opening import (
    BROKEN,
    BUSY,
    BUSY_REASON,
    FORBIDDEN,
    GROUP_ADVICE,
    MISSING,
    failure_state,
    open_pcm,
)

OK = "ok"
STALLED = "stalled"

# Hz
RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
# Formats that a microphone may have, with numbers of snd_pcm_format_t. plughw converts those that
# are not in FORMATS.
_ALL_FORMATS = {name: number for name, (number, _) in FORMATS.items()} | {
    "U8": 1,
    "S24_LE": 6,
    "FLOAT64_LE": 16,
}
_REASONS = {
    BUSY: BUSY_REASON,
    FORBIDDEN: f"this user may not open it: {GROUP_ADVICE}",
    MISSING: "there is no such device: check its name and its cable",
}


@dataclass(frozen=True)
class TrialLimits:
    """How long the level of a device is measured."""

    level_seconds: float = 0.5
    # Sound that is skipped first: many microphones begin with a click.
    settle_seconds: float = 0.1
    # Until a device that delivers nothing counts as stalled.
    timeout_seconds: float = 2.0


@dataclass(frozen=True)
class Offer:
    """Rates in Hz, formats and numbers of channels that a device accepts."""

    rates: tuple[int, ...]
    formats: tuple[str, ...]
    channels_min: int
    channels_max: int


@dataclass(frozen=True)
class Level:
    """Level of channel 0 in dBFS; -120 is digital silence."""

    peak_dbfs: float
    rms_dbfs: float


@dataclass(frozen=True)
class DeviceTrial:
    """Result of testing a device."""

    state: str = OK  # ok, busy, forbidden, missing, stalled or broken
    reason: str | None = None  # why it is not ok
    offer: Offer | None = None
    level: Level | None = None


def try_device(
    alsa: Alsa, name: str, *, level: bool = True, limits: TrialLimits | None = None
) -> DeviceTrial:
    """Test one device by any ALSA name; what does not work is in the result, not raised."""
    limits = limits or TrialLimits()
    try:
        offer = get_offer(alsa, name)
    except AlsaError as error:
        state = failure_state(error)
        return DeviceTrial(state, _REASONS.get(state) or f"it cannot be opened: {error.strerror}")
    if not level:
        return DeviceTrial(OK, None, offer)
    try:
        measured = measure_level(alsa, name, limits)
    except DeviceError as error:
        return DeviceTrial(BROKEN, str(error), offer)
    if measured is None:
        reason = f"it gives no sound within {limits.timeout_seconds:g} s: reconnect it"
        return DeviceTrial(STALLED, reason, offer)
    return DeviceTrial(OK, None, offer, measured)


def get_offer(alsa: Alsa, name: str) -> Offer:
    """Return what a device accepts without conversion. AlsaError if it cannot be opened."""
    pcm = open_pcm(alsa, name)
    try:
        params = alsa.structure("snd_pcm_hw_params")
        alsa.call("snd_pcm_hw_params_any", pcm, params)
        alsa.call("snd_pcm_hw_params_set_rate_resample", pcm, params, 0)
        alsa.call("snd_pcm_hw_params_set_access", pcm, params, RW_INTERLEAVED)
        channels_min = c_uint()
        channels_max = c_uint()
        alsa.call("snd_pcm_hw_params_get_channels_min", params, byref(channels_min))
        alsa.call("snd_pcm_hw_params_get_channels_max", params, byref(channels_max))
        return Offer(
            rates=tuple(rate for rate in RATES if _accepts(alsa, "rate", pcm, params, rate, 0)),
            formats=tuple(
                format_name
                for format_name, number in _ALL_FORMATS.items()
                if _accepts(alsa, "format", pcm, params, number)
            ),
            channels_min=channels_min.value,
            channels_max=channels_max.value,
        )
    finally:
        alsa.call("snd_pcm_close", pcm)


def _accepts(alsa: Alsa, parameter: str, pcm: c_void_p, params: object, *value: int) -> bool:
    try:
        alsa.call(f"snd_pcm_hw_params_test_{parameter}", pcm, params, *value)
    except AlsaError:
        return False
    return True


def measure_level(alsa: Alsa, name: str, limits: TrialLimits) -> Level | None:
    """Return the level of a device; None if it delivers nothing. DeviceError if it fails."""
    with Capture(name, library=alsa) as capture:
        n_level = round(limits.level_seconds * capture.samplerate)
        n_settle = round(limits.settle_seconds * capture.samplerate)
        timer = Timer(limits.timeout_seconds, capture.stop)
        timer.start()
        try:
            blocks = _first_blocks(capture, n_settle + n_level)
        finally:
            timer.cancel()
    if not blocks:
        return None
    samples = np.concatenate(blocks)[-n_level:]
    return Level(round(dbfs(peak(samples)), 1), round(dbfs(rms(without_offset(samples))), 1))


def _first_blocks(capture: Capture, n_samples: int) -> list[Float32]:
    """Return blocks of `n_samples` in all; less if the capture is stopped before."""
    blocks: list[Float32] = []
    for item in capture.blocks():
        if not isinstance(item, Gap):
            blocks.append(item)
        if sum(map(len, blocks)) >= n_samples:
            break
    return blocks
