"""Agree with a device on sample rate, channels, sample format, and period and buffer lengths."""

import contextlib
from collections.abc import Sequence
from ctypes import byref, c_uint, c_ulong, c_void_p
from dataclasses import dataclass

from ..audio.channel import Channel
from ..audio.pcm import FORMATS
from ..errors import DeviceError
from .alsa import RW_INTERLEAVED, Alsa, AlsaError

# A period is as long as one hop of the default features, so that each period completes one frame:
# 512 samples at 16 kHz. A device at another rate, or an artifact with another hop, gets a period of
# the same duration; nothing depends on the two being equal.
_HOP_SAMPLES = 512
_HOP_SAMPLE_RATE = 16000
PERIOD_SECONDS = _HOP_SAMPLES / _HOP_SAMPLE_RATE

BUFFER_SECONDS = 4.0  # several times the sound for which the reading thread wakes
MAX_SAMPLE_RATE = 192_000  # Hz

_HW = "snd_pcm_hw_params"
_SW = "snd_pcm_sw_params"


class FormatRefusedError(DeviceError):
    """A device that can never deliver what was asked for, so waiting for it is useless."""


@dataclass(frozen=True)
class PcmSetup:
    """What a device agreed to."""

    samplerate: int  # Hz
    channels: int
    format: str  # one of `edgeae.runtime.audio.pcm.FORMATS`
    period: int  # frames
    buffer: int  # frames

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame: one sample of each channel."""
        _, sample_bytes = FORMATS[self.format]
        return self.channels * sample_bytes


def negotiate(
    alsa: Alsa,
    pcm: c_void_p,
    device: str,
    samplerate: int,
    channels: Sequence[Channel],
    wake_seconds: float,
) -> PcmSetup:
    """Choose one setup of those that a device offers, and install it.

    alsa: libasound.
    pcm: handle of the open device.
    device: its name, for errors.
    samplerate: wanted rate in Hz; see `_choose_rate` for what is taken in its place.
    channels: wanted channels, counted from 0, or "mix".
    wake_seconds: sound for which the reading thread wakes; at most half of the buffer.

    Raises FormatRefusedError for a channel or format that the device lacks, else DeviceError.
    """
    params = alsa.structure(_HW)
    try:
        alsa.call(f"{_HW}_any", pcm, params)
        alsa.call(f"{_HW}_set_rate_resample", pcm, params, 0)
        alsa.call(f"{_HW}_set_access", pcm, params, RW_INTERLEAVED)
        _require_channels(alsa, pcm, params, device, channels)
        rate = _choose_rate(alsa, pcm, params, samplerate)
        n_channels = _choose_channels(alsa, pcm, params, channels)
        sample_format = _choose_format(alsa, pcm, params, device)
        period = c_ulong(round(rate * PERIOD_SECONDS))
        buffer = c_ulong(round(rate * BUFFER_SECONDS))
        alsa.call(f"{_HW}_set_period_size_near", pcm, params, byref(period), None)
        alsa.call(f"{_HW}_set_buffer_size_near", pcm, params, byref(buffer))
        alsa.call(_HW, pcm, params)
    except AlsaError as error:
        raise DeviceError(
            f"{device} refuses to capture near {samplerate} Hz ({error.strerror}): "
            "try plughw in place of hw"
        ) from error
    setup = PcmSetup(rate, n_channels, sample_format, period.value, buffer.value)
    _set_wake_frames(alsa, pcm, setup, wake_seconds)
    return setup


def _set_wake_frames(alsa: Alsa, pcm: c_void_p, setup: PcmSetup, wake_seconds: float) -> None:
    """Let `snd_pcm_wait` return for several periods at once, not for each.

    A device that refuses this still works: then it returns for each period.
    """
    max_frames = min(round(setup.samplerate * wake_seconds), setup.buffer // 2)
    whole_periods = max_frames // setup.period * setup.period
    wake_frames = max(whole_periods, setup.period)
    params = alsa.structure(_SW)
    with contextlib.suppress(AlsaError):
        alsa.call(f"{_SW}_current", pcm, params)
        alsa.call(f"{_SW}_set_avail_min", pcm, params, wake_frames)
        alsa.call(_SW, pcm, params)


def _require_channels(
    alsa: Alsa, pcm: c_void_p, params: object, device: str, channels: Sequence[Channel]
) -> None:
    """Exclude setups without the wanted channels. FormatRefusedError if the device lacks one."""
    n_available = c_uint()
    alsa.call(f"{_HW}_get_channels_max", params, byref(n_available))
    numbers = [channel for channel in channels if channel != "mix"]
    for channel in numbers:
        if not 0 <= channel < n_available.value:
            raise FormatRefusedError(
                f"{device} has no channel {channel}: it has {n_available.value}, counted from 0"
            )
    if numbers:
        n_needed = c_uint(max(numbers) + 1)
        alsa.call(f"{_HW}_set_channels_min", pcm, params, byref(n_needed))


def _choose_rate(alsa: Alsa, pcm: c_void_p, params: object, samplerate: int) -> int:
    """Choose `samplerate`, else a multiple of it, else the nearest rate above, else below."""
    for multiple in range(samplerate, MAX_SAMPLE_RATE + 1, samplerate):
        with contextlib.suppress(AlsaError):
            alsa.call(f"{_HW}_set_rate", pcm, params, multiple, 0)
            return multiple
    rate = c_uint(samplerate)
    try:
        alsa.call(f"{_HW}_set_rate_min", pcm, params, byref(rate), None)
        alsa.call(f"{_HW}_set_rate_first", pcm, params, byref(rate), None)
    except AlsaError:
        alsa.call(f"{_HW}_set_rate_last", pcm, params, byref(rate), None)
    return rate.value


def _choose_channels(alsa: Alsa, pcm: c_void_p, params: object, channels: Sequence[Channel]) -> int:
    """Choose two channels for a mix if the device allows it, else as few as possible."""
    n_channels = c_uint(2)
    rule = "near" if "mix" in channels else "first"
    alsa.call(f"{_HW}_set_channels_{rule}", pcm, params, byref(n_channels))
    return n_channels.value


def _choose_format(alsa: Alsa, pcm: c_void_p, params: object, device: str) -> str:
    """Choose the first of FORMATS that the device has. FormatRefusedError if it has none."""
    for name, (number, _) in FORMATS.items():
        with contextlib.suppress(AlsaError):
            alsa.call(f"{_HW}_set_format", pcm, params, number)
            return name
    raise FormatRefusedError(
        f"{device} has none of the formats {', '.join(FORMATS)}: try plughw in place of hw"
    )
