"""The sound cards of this computer as the kernel tells them, with the USB device each belongs to.

    /sys/class/sound/card1 -> ../../devices/.../usb1/1-1/1-1.2/1-1.2:1.0/sound/card1
                                                       |      |          |-- id, pcmC1D0c
                                                       |      '-- interface: card1/device points here
                                                       '-- USB device: idVendor, idProduct, serial, busnum, devpath

Containers may hide one of /sys and /proc/asound: a card is told from what is there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ..system.kernel import PROCFS, SYSFS, list_files, read_text

# " 1 [Device         ]: USB-Audio - USB PnP Sound Device" and, on the next line, the long name
_CARD_LINES = re.compile(r"^ *(\d+) \[.*?\]: .*? - (.*)\n +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Usb:
    """A USB device: ids in hexadecimal as lsusb writes them, its serial number, and the port as BUS-PORT[.PORT]..."""

    vendor: str
    product: str
    serial: str = ""
    path: str = ""


@dataclass(frozen=True)
class Card:
    """A sound card: its number and id now, its names, the numbers of its devices that capture, its USB device."""

    number: int
    id: str
    title: str = ""
    long_name: str = ""
    captures: tuple[int, ...] = ()
    usb: Usb | None = None


def list_cards(sysfs: Path = SYSFS, procfs: Path = PROCFS) -> list[Card]:
    """The sound cards in the order of their numbers, looked up afresh."""
    folders = [*list_files(sysfs / "class/sound", "card*"), *list_files(procfs / "asound", "card*")]
    numbers = sorted({int(folder.name[4:]) for folder in folders if folder.name[4:].isdecimal()})
    titles = {
        int(n): (title, long)
        for n, title, long in _CARD_LINES.findall(read_text(procfs / "asound/cards"))
    }
    cards = [_card(number, titles.get(number, ("", "")), sysfs, procfs) for number in numbers]
    return [card for card in cards if card.id]  # a card that is being unplugged has no id any more


def _card(number: int, titles: tuple[str, str], sysfs: Path, procfs: Path) -> Card:
    folder, asound = sysfs / f"class/sound/card{number}", procfs / f"asound/card{number}"
    captures = {int(path.name.rpartition("D")[2][:-1]) for path in list_files(folder, "pcmC*D*c")}
    captures |= {int(path.name[3:-1]) for path in list_files(asound, "pcm*c")}
    identity = read_text(folder / "id") or read_text(asound / "id")
    return Card(
        number,
        identity,
        *titles,
        tuple(sorted(captures)),
        _usb(folder / "device", asound / "usbid"),
    )


def _usb(device: Path, usbid: Path) -> Usb | None:
    interface = device.resolve()
    for folder in (
        interface.parent,
        interface,
    ):  # a few drivers hang the card on the USB device itself
        if vendor := read_text(folder / "idVendor"):
            path = f"{read_text(folder / 'busnum')}-{read_text(folder / 'devpath')}"
            return Usb(
                vendor.lower(),
                read_text(folder / "idProduct").lower(),
                read_text(folder / "serial"),
                path,
            )
    vendor, _, product = read_text(usbid).lower().partition(":")
    return Usb(vendor, product) if product else None
