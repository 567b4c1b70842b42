"""What a capture device is called, accepts and hears: opened, asked, listened to for half a second, closed."""

import re
from ctypes import byref, c_uint, c_void_p
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from ..audio.level import dbfs, peak, rms
from ..audio.pcm import FORMATS
from ..errors import DeviceError
from ..system.kernel import PROCFS, SYSFS, read_text
from .alsa import CAPTURE, NONBLOCK, RW_INTERLEAVED, Alsa, AlsaError
from .capture import STATES, Capture, Gap
from .cards import Card, list_cards
from .listing import Device, list_devices
from .names import Name, names_of

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000)  # Hz
LEVEL_SECONDS, SETTLE_SECONDS, LIMIT_SECONDS = 0.5, 0.1, 2.0

# What else a microphone may give (numbers of snd_pcm_format_t); plughw converts it.
_ALL_FORMATS = {name: number for name, (number, _) in FORMATS.items()} | {
    "U8": 1,
    "S24_LE": 6,
    "FLOAT64_LE": 16,
}
_REASONS = {
    "busy": "in use by another program: `fuser -v /dev/snd/*` names it",
    "forbidden": "this user may not open it: sudo usermod -aG audio $USER, then log in again",
    "missing": "it is not there any more: check the cable",
}


@dataclass(frozen=True)
class Offer:
    """Rates in Hz, formats and numbers of channels that a device accepts."""

    rates: tuple[int, ...]
    formats: tuple[str, ...]
    channels_min: int
    channels_max: int


@dataclass(frozen=True)
class Level:
    """What channel 0 heard, in dB of full scale; -120 is digital silence."""

    peak_dbfs: float
    rms_dbfs: float


@dataclass(frozen=True)
class DeviceTrial:
    """How it went: `ok`, `busy`, `forbidden`, `missing`, `stalled` or `broken`, the reason, what was found out."""

    state: str = "ok"
    reason: str | None = None
    offer: Offer | None = None
    level: Level | None = None


@dataclass(frozen=True)
class Probe:
    """A device, every name it has now, the most lasting first, and how a trial of it went."""

    device: Device
    names: tuple[Name, ...]
    trial: DeviceTrial

    def to_dict(self) -> dict[str, Any]:
        """All of it as one flat JSON object; null is what could not be found out."""
        offer, level = self.trial.offer, self.trial.level
        return {
            **asdict(self.device),
            "names": [asdict(name) for name in self.names],
            "state": self.trial.state,
            "reason": self.trial.reason,
            **(asdict(offer) if offer else dict.fromkeys(Offer.__dataclass_fields__)),
            **(asdict(level) if level else dict.fromkeys(Level.__dataclass_fields__)),
        }


def probe_all(
    library: Alsa | None = None, *, level: bool = True, sysfs: Path = SYSFS, procfs: Path = PROCFS
) -> list[Probe]:
    """Every capture device of this computer, with those that this user may not even look at.

    Raises DeviceError where libasound is missing.
    """
    alsa, cards = library or Alsa(), list_cards(sysfs, procfs)
    devices = {device.name: device for card in cards for device in _devices(card)}
    devices |= {device.name: device for device in list_devices(alsa)}
    found = sorted(devices.values(), key=lambda device: (device.card, device.number))
    return [_probe(device, cards, alsa, level, procfs) for device in found]


def _probe(device: Device, cards: list[Card], alsa: Alsa, level: bool, procfs: Path) -> Probe:
    identity = device.name.removeprefix("hw:CARD=").partition(",")[0]
    card = next((card for card in cards if card.number == device.card), Card(device.card, identity))
    trial = try_device(alsa, device.name, level=level)
    if trial.state == "busy" and (owner := _owner(device, procfs)):
        trial = replace(trial, reason=f"in use by {owner}")
    return Probe(device, tuple(names_of(card, device.number, cards)), trial)


def try_device(alsa: Alsa, name: str, *, level: bool = True) -> DeviceTrial:
    """Open any device of ALSA, ask it and listen; what does not work is told, not raised."""
    try:
        found = offer(alsa, name)
    except AlsaError as error:
        state = STATES.get(error.errno or 0, "broken")
        return DeviceTrial(state, _REASONS.get(state) or f"it cannot be opened: {error.strerror}")
    try:
        heard = listen(alsa, name) if level else None
    except DeviceError as error:
        return DeviceTrial("broken", str(error), found)
    if level and not heard:
        return DeviceTrial(
            "stalled", f"it gives no sound within {LIMIT_SECONDS:g} s: reconnect it", found
        )
    return DeviceTrial("ok", None, found, heard)


def offer(alsa: Alsa, device: str) -> Offer:
    """What a device accepts at its own rate, without a conversion; AlsaError if it cannot be opened."""
    pcm = alsa.handle("snd_pcm_open", device.encode(), CAPTURE, NONBLOCK)
    try:
        params, least, most = alsa.structure("snd_pcm_hw_params"), c_uint(), c_uint()
        alsa.call("snd_pcm_hw_params_any", pcm, params)
        alsa.call("snd_pcm_hw_params_set_rate_resample", pcm, params, 0)
        alsa.call("snd_pcm_hw_params_set_access", pcm, params, RW_INTERLEAVED)
        alsa.call("snd_pcm_hw_params_get_channels_min", params, byref(least))
        alsa.call("snd_pcm_hw_params_get_channels_max", params, byref(most))
        rates = tuple(rate for rate in RATES if _accepts(alsa, "rate", pcm, params, rate, 0))
        formats = tuple(
            name for name, n in _ALL_FORMATS.items() if _accepts(alsa, "format", pcm, params, n)
        )
        return Offer(rates, formats, least.value, most.value)
    finally:
        alsa.call("snd_pcm_close", pcm)


def _accepts(alsa: Alsa, what: str, pcm: c_void_p, params: object, *value: int) -> bool:
    try:
        alsa.call(f"snd_pcm_hw_params_test_{what}", pcm, params, *value)
    except AlsaError:
        return False
    return True


def listen(alsa: Alsa, device: str) -> Level | None:
    """The level of half a second, after a moment to settle; None if nothing came. DeviceError if it fails."""
    blocks = []
    with Capture(device, library=alsa) as capture:
        limit = Timer(LIMIT_SECONDS, capture.stop)
        limit.start()
        wanted, settle = (
            round(LEVEL_SECONDS * capture.samplerate),
            round(SETTLE_SECONDS * capture.samplerate),
        )
        try:
            for item in capture.blocks():
                blocks += [] if isinstance(item, Gap) else [item]
                if sum(map(len, blocks)) >= settle + wanted:
                    break
        finally:
            limit.cancel()
    if not blocks:
        return None
    heard = np.concatenate(blocks)[-wanted:]
    return Level(round(dbfs(peak(heard)), 1), round(dbfs(rms(heard)), 1))


def _devices(card: Card) -> list[Device]:
    title = card.title or card.id
    return [
        Device(f"hw:CARD={card.id},DEV={n}", f"hw:{card.number},{n}", title) for n in card.captures
    ]


def _owner(device: Device, procfs: Path) -> str | None:
    """The process that has it open, where the kernel tells."""
    for status in procfs.glob(f"asound/card{device.card}/pcm{device.number}c/sub*/status"):
        if match := re.search(r"owner_pid\s*: (\d+)", read_text(status)):
            return (
                f"process {match[1]} ({read_text(procfs / match[1] / 'comm') or 'of another user'})"
            )
    return None
