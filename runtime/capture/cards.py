"""The sound cards of this computer as the kernel lists them, with the USB device of each.

    /sys/class/sound/card1 -> ../../devices/.../usb1/1-1/1-1.2/1-1.2:1.0/sound/card1
                                                       |      |          |-- id, pcmC1D0c
                                                       |      '-- interface: target of card1/device
                                                       '-- USB device: idVendor, idProduct, serial,
                                                           busnum, devpath

A container may hide /sys or /proc/asound; then the other one is enough.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ..system.kernel import PROCFS, SYSFS, list_files, read_text

# " 1 [Device         ]: USB-Audio - USB PnP Sound Device" and, on the next line, the long name
_CARD_LINES = re.compile(r"^ *(\d+) \[.*?\]: .*? - (.*)\n +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Usb:
    """A USB device."""

    vendor: str  # four hexadecimal digits, as lsusb writes them
    product: str  # the same
    serial: str = ""
    path: str = ""  # its port: BUS-PORT[.PORT]...


@dataclass(frozen=True)
class Card:
    """A sound card."""

    number: int  # changes when cards are plugged in in another order
    id: str
    title: str = ""
    long_name: str = ""
    captures: tuple[int, ...] = ()  # numbers of its devices that can capture
    usb: Usb | None = None


def list_cards(sysfs: Path = SYSFS, procfs: Path = PROCFS) -> list[Card]:
    """Return the sound cards that are plugged in now, in the order of their numbers."""
    folders = [*list_files(sysfs / "class/sound", "card*"), *list_files(procfs / "asound", "card*")]
    numbers = sorted({int(folder.name[4:]) for folder in folders if folder.name[4:].isdecimal()})
    titles = {
        int(number): (title, long_name)
        for number, title, long_name in _CARD_LINES.findall(read_text(procfs / "asound/cards"))
    }
    cards = [_card(number, titles.get(number, ("", "")), sysfs, procfs) for number in numbers]
    # A card that is being unplugged has no id any more.
    return [card for card in cards if card.id]


def _card(number: int, titles: tuple[str, str], sysfs: Path, procfs: Path) -> Card:
    folder = sysfs / f"class/sound/card{number}"
    asound = procfs / f"asound/card{number}"
    captures = {int(path.name.rpartition("D")[2][:-1]) for path in list_files(folder, "pcmC*D*c")}
    captures |= {int(path.name[3:-1]) for path in list_files(asound, "pcm*c")}
    title, long_name = titles
    return Card(
        number=number,
        id=read_text(folder / "id") or read_text(asound / "id"),
        title=title,
        long_name=long_name,
        captures=tuple(sorted(captures)),
        usb=_usb(folder / "device", asound / "usbid"),
    )


def _usb(device: Path, usbid: Path) -> Usb | None:
    """Return the USB device of a card, from /sys, else from /proc; None if it is not on USB."""
    interface = device.resolve()
    # A few drivers attach the card to the USB device itself instead of to an interface of it.
    for folder in (interface.parent, interface):
        vendor = read_text(folder / "idVendor")
        if vendor:
            return Usb(
                vendor=vendor.lower(),
                product=read_text(folder / "idProduct").lower(),
                serial=read_text(folder / "serial"),
                path=f"{read_text(folder / 'busnum')}-{read_text(folder / 'devpath')}",
            )
    vendor, _, product = read_text(usbid).lower().partition(":")
    return Usb(vendor, product) if product else None
