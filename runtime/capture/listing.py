"""The capture devices that ALSA finds on this computer."""

import contextlib
from collections.abc import Iterator
from ctypes import byref, c_int, c_void_p
from dataclasses import dataclass

from .alsa import CAPTURE, Alsa, AlsaError


@dataclass(frozen=True)
class Device:
    """A capture device."""

    name: str  # stays the same after a reboot: hw:CARD=ID,DEV=NUMBER
    index: str  # by number, which may change: hw:CARD,NUMBER
    description: str

    @property
    def card(self) -> int:
        """The number that its card has now."""
        return int(self.index[3:].partition(",")[0])

    @property
    def number(self) -> int:
        """Its number on the card."""
        return int(self.index.partition(",")[2])


def list_devices(library: Alsa | None = None) -> list[Device]:
    """Return the capture devices of this computer, in the order of their numbers."""
    alsa = library or Alsa()
    devices: list[Device] = []
    card = c_int(-1)
    while alsa.call("snd_card_next", byref(card)) == 0 and card.value >= 0:
        # A card may disappear meanwhile, or this user may not open it.
        with contextlib.suppress(AlsaError):
            devices += _devices_of_card(alsa, card.value)
    return devices


def _devices_of_card(alsa: Alsa, card: int) -> list[Device]:
    control = alsa.handle("snd_ctl_open", b"hw:%d" % card, 0)
    try:
        info = alsa.structure("snd_ctl_card_info")
        alsa.call("snd_ctl_card_info", control, info)
        card_id = alsa.text("snd_ctl_card_info_get_id", info)
        title = alsa.text("snd_ctl_card_info_get_name", info)
        return [
            Device(f"hw:CARD={card_id},DEV={number}", f"hw:{card},{number}", f"{title}, {name}")
            for number, name in _capture_streams(alsa, control)
        ]
    finally:
        alsa.call("snd_ctl_close", control)


def _capture_streams(alsa: Alsa, control: c_void_p) -> Iterator[tuple[int, str]]:
    """Yield number and name of each device of a card that can capture."""
    number = c_int(-1)
    while alsa.call("snd_ctl_pcm_next_device", control, byref(number)) == 0 and number.value >= 0:
        info = alsa.structure("snd_pcm_info")
        alsa.call("snd_pcm_info_set_device", info, number.value)
        alsa.call("snd_pcm_info_set_stream", info, CAPTURE)
        # A device that can only play refuses.
        with contextlib.suppress(AlsaError):
            alsa.call("snd_ctl_pcm_info", control, info)
            yield number.value, alsa.text("snd_pcm_info_get_name", info)
