"""Which capture devices are there."""

from edgeae.runtime.capture.listing import Device, list_devices
from tests.runtime.capture.fakes import FakeCards


def test_list_devices_names_what_can_capture() -> None:
    assert list_devices(FakeCards()) == [Device("hw:CARD=Device,DEV=0", "hw:1,0", "USB PnP, Audio")]


def test_a_device_knows_its_numbers() -> None:
    device = Device("hw:CARD=Mixer,DEV=2", "hw:11,2", "Mixer")
    assert (device.card, device.number) == (11, 2)
