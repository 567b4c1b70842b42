"""What a device can deliver: choosing rate, channels and format, and decoding its samples."""

import contextlib
from collections.abc import Sequence
from ctypes import byref, c_uint, c_ulong, c_void_p
from dataclasses import dataclass

from ..audio.channel import Channel
from ..audio.pcm import FORMATS
from ..errors import DeviceError
from .alsa import RW_INTERLEAVED, Alsa, AlsaError

PERIOD_SECONDS = 0.032  # one hop of the features at 16 kHz
BUFFER_SECONDS = 2.0
WAKE_SECONDS = (
    0.25  # of sound that wakes whoever waits for it: waking costs more than reading a period
)

_HW, _SW = "snd_pcm_hw_params", "snd_pcm_sw_params"


class FormatRefusedError(DeviceError):
    """A device that will never do what was asked: there is no use in waiting for it."""


@dataclass(frozen=True)
class Agreed:
    """What a device agreed to: rate in Hz, channels, format, and period and buffer in frames."""

    samplerate: int
    channels: int
    format: str
    period: int
    buffer: int


def negotiate(
    alsa: Alsa, pcm: c_void_p, device: str, samplerate: int, wanted: Sequence[Channel]
) -> Agreed:
    """Narrow down what the device offers to one setup, and install it."""
    params = alsa.structure(_HW)
    try:
        alsa.call(f"{_HW}_any", pcm, params)
        alsa.call(f"{_HW}_set_rate_resample", pcm, params, 0)
        alsa.call(f"{_HW}_set_access", pcm, params, RW_INTERLEAVED)
        _require_channels(alsa, pcm, params, device, wanted)
        rate = _choose_rate(alsa, pcm, params, samplerate)
        channels = _choose_channels(alsa, pcm, params, wanted)
        chosen = _choose_format(alsa, pcm, params, device)
        period, buffer = (
            c_ulong(round(rate * PERIOD_SECONDS)),
            c_ulong(round(rate * BUFFER_SECONDS)),
        )
        alsa.call(f"{_HW}_set_period_size_near", pcm, params, byref(period), None)
        alsa.call(f"{_HW}_set_buffer_size_near", pcm, params, byref(buffer))
        alsa.call(_HW, pcm, params)
        _wake_seldom(alsa, pcm, rate, period.value, buffer.value)
    except AlsaError as error:
        raise DeviceError(
            f"{device} refuses to capture near {samplerate} Hz ({error.strerror}): try plughw in place of hw"
        ) from error
    return Agreed(rate, channels, chosen, period.value, buffer.value)


def _wake_seldom(alsa: Alsa, pcm: c_void_p, rate: int, period: int, buffer: int) -> None:
    """Let `snd_pcm_wait` return for several periods at once; one that refuses returns for each."""
    frames = min(round(rate * WAKE_SECONDS), buffer // 2) // period * period
    params = alsa.structure(_SW)
    with contextlib.suppress(AlsaError):
        alsa.call(f"{_SW}_current", pcm, params)
        alsa.call(f"{_SW}_set_avail_min", pcm, params, max(frames, period))
        alsa.call(_SW, pcm, params)


def _require_channels(
    alsa: Alsa, pcm: c_void_p, params: object, device: str, wanted: Sequence[Channel]
) -> None:
    most = c_uint()
    alsa.call(f"{_HW}_get_channels_max", params, byref(most))
    numbers = [channel for channel in wanted if channel != "mix"]
    for channel in numbers:
        if not 0 <= channel < most.value:
            raise FormatRefusedError(
                f"{device} has no channel {channel}: it has {most.value}, counted from 0"
            )
    if numbers:
        alsa.call(f"{_HW}_set_channels_min", pcm, params, byref(c_uint(max(numbers) + 1)))


def _choose_rate(alsa: Alsa, pcm: c_void_p, params: object, samplerate: int) -> int:
    """`samplerate`, a multiple of it, the nearest rate above it, or the nearest below."""
    for multiple in range(samplerate, 192_001, samplerate):
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


def _choose_channels(alsa: Alsa, pcm: c_void_p, params: object, wanted: Sequence[Channel]) -> int:
    count = c_uint(2)
    setter = "near" if "mix" in wanted else "first"
    alsa.call(f"{_HW}_set_channels_{setter}", pcm, params, byref(count))
    return count.value


def _choose_format(alsa: Alsa, pcm: c_void_p, params: object, device: str) -> str:
    for name, (number, _) in FORMATS.items():
        with contextlib.suppress(AlsaError):
            alsa.call(f"{_HW}_set_format", pcm, params, number)
            return name
    raise FormatRefusedError(
        f"{device} has none of the formats {', '.join(FORMATS)}: try plughw in place of hw"
    )
