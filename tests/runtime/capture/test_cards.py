"""Sound cards and their USB devices, in a tree as the kernel makes it."""

from pathlib import Path

import pytest

from edgeae.runtime.capture.cards import Card, Usb
from tests.runtime.capture.fakes import USB_MICROPHONE, Kernel, write

LONG = "C-Media USB PnP Sound Device at usb-0000:00:14.0-1.2, full speed"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Card 0 is of the board and only plays, card 1 a microphone behind a hub."""
    made = Kernel(tmp_path)
    made.plug(0, "vc4hdmi", pcms="D0p")
    made.plug(1, "Device", "1-1.2", "D0c D0p", **USB_MICROPHONE)
    made.title(0, "vc4hdmi", "vc4-hdmi", "vc4-hdmi")
    made.title(1, "Device", "USB PnP Sound Device", LONG)
    return made


def test_cards_are_listed_as_the_kernel_lists_them(kernel: Kernel) -> None:
    usb = Usb("0d8c", "013c", "AB12", "1-1.2")
    assert kernel.cards() == [
        Card(0, "vc4hdmi", "vc4-hdmi", "vc4-hdmi"),
        Card(1, "Device", "USB PnP Sound Device", LONG, (0,), usb),
    ]


def test_a_card_that_goes_while_it_is_read_is_none(kernel: Kernel) -> None:
    (kernel.folders[1] / "sound/card1/id").unlink()
    assert [card.id for card in kernel.cards()] == ["vc4hdmi"]


def test_a_computer_without_cards_has_an_empty_list(tmp_path: Path) -> None:
    assert Kernel(tmp_path).cards() == []


def test_a_card_that_is_not_on_usb_has_no_usb_device(kernel: Kernel) -> None:
    assert kernel.cards()[0].usb is None


def test_a_card_attached_to_the_usb_device_itself_belongs_to_it(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.plug(1, "Odd", "1-3")
    for name, value in {"idVendor": "1234", "idProduct": "ABCD", "devpath": "3"}.items():
        write(kernel.folders[1] / name, value)
    write(kernel.folders[1] / "busnum", "1")
    [card] = kernel.cards()
    assert card.usb == Usb("1234", "abcd", "", "1-3")


def test_a_container_without_sys_lists_cards_from_proc(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    write(kernel.procfs / "asound/card2/id", "Device")
    write(kernel.procfs / "asound/card2/usbid", "0D8C:013c")
    (kernel.procfs / "asound/card2/pcm1c").mkdir()
    assert kernel.cards() == [Card(2, "Device", captures=(1,), usb=Usb("0d8c", "013c"))]
