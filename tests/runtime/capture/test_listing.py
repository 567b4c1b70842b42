"""Which capture devices are there."""

import errno
from collections.abc import Callable
from typing import Any, ClassVar

from edgeae.runtime.capture.alsa import Alsa, AlsaError
from edgeae.runtime.capture.listing import Device, list_devices


class FakeCards(Alsa):
    """Card 0 only plays, card 1 captures on device 0, card 3 may not be opened."""

    NAMES: ClassVar = {
        "snd_ctl_card_info_get_id": "Device",
        "snd_ctl_card_info_get_name": "USB PnP",
        "snd_pcm_info_get_name": "Audio",
    }

    def call(self, name: str, *arguments: Any) -> int:
        fake: Callable[..., int] | None = getattr(self, name, None)
        return fake(*arguments) if fake else super().call(name, *arguments)

    def text(self, name: str, *arguments: Any) -> str:
        return self.NAMES.get(name) or super().text(name, *arguments)

    def snd_card_next(self, card: Any) -> int:
        card._obj.value = {-1: 0, 0: 1, 1: 3, 3: -1}[card._obj.value]
        return 0

    def snd_ctl_open(self, _control: Any, name: bytes, _mode: int) -> int:
        self.card = name
        if name == b"hw:3":
            raise AlsaError(errno.EACCES, "Permission denied")
        return 0

    def snd_ctl_pcm_next_device(self, _control: Any, number: Any) -> int:
        number._obj.value = 0 if number._obj.value < 0 else -1
        return 0

    def snd_ctl_pcm_info(self, *_: Any) -> int:
        if self.card == b"hw:0":
            raise AlsaError(errno.ENOENT, "No such file or directory")
        return 0

    def snd_ctl_card_info(self, *_: Any) -> int:
        return 0

    snd_ctl_close = snd_ctl_card_info


def test_list_devices_names_what_can_capture() -> None:
    assert list_devices(FakeCards()) == [Device("hw:CARD=Device,DEV=0", "hw:1,0", "USB PnP, Audio")]


def test_a_device_knows_its_numbers() -> None:
    device = Device("hw:CARD=Mixer,DEV=2", "hw:11,2", "Mixer")
    assert (device.card, device.number) == (11, 2)
