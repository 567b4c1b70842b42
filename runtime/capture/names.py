"""Names of capture devices that stay, beside ALSA's own.

ALSA numbers cards in the order of plugging, so `hw:1` may be another microphone after a reboot.

    usb:0d8c:013c:AB12     vendor, product (as lsusb writes them) and, where it has one, serial number
    usb-path:1-1.2         whatever is in this USB port: bus, then port by port
    card:Device            the id of the card, or its long name

Each may end in `,DEV`, the number of the card's PCM device; without it the first that captures is meant.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError, DeviceError
from ..system.kernel import PROCFS, SYSFS
from .cards import Card, list_cards

KINDS = ("usb:", "usb-path:", "card:")

_FORMS = re.compile(
    r"usb:[0-9a-f]{4}:[0-9a-f]{4}(:.+)?|usb-path:\d+-\d+(\.\d+)*|card:.+", re.DOTALL
)
_BY_ID = "by card id: stays after a reboot and in any port, unless one like it is plugged in first"


@dataclass(frozen=True)
class Name:
    """One name of a device, whether it still means that device after a reboot and in another port, and in words."""

    name: str
    reboot: bool
    port: bool
    lasts: str


def resolve(name: str, *, sysfs: Path = SYSFS, procfs: Path = PROCFS) -> str:
    """The ALSA name, `hw:CARD=<id>,DEV=<n>`, of what a stable name means now; other names unchanged.

    Raises DeviceError when nothing, or more than one card, has this name now, and ConfigError for a name
    that nothing can ever have.
    """
    if not name.startswith(KINDS):
        return name
    cards = list_cards(sysfs, procfs)
    base, device = name, ""
    found = _having(name, cards)
    if not found:
        base, device = _split(name)
        found = _having(base, cards)
    if len(found) != 1:
        raise _missing(name, cards) if not found else _ambiguous(name, found, cards)
    [card] = found
    return f"hw:CARD={card.id},DEV={int(device) if device else first_capture(card)}"


def first_capture(card: Card) -> int:
    """The number of the device that is meant when a name has none."""
    return card.captures[0] if card.captures else 0


def names_of(card: Card, device: int, cards: list[Card]) -> list[Name]:
    """Every name that means this device now, the most lasting first."""
    end = "" if device == first_capture(card) else f",{device}"
    unique = [name for name in _usb_names(card) if len(_having(name.name, cards)) == 1]
    return [
        *(replace(name, name=name.name + end) for name in unique),
        Name(f"hw:CARD={card.id},DEV={device}", True, True, _BY_ID),
        Name(f"card:{card.id}{end}", True, True, _BY_ID),
        Name(
            f"hw:{card.number},{device}",
            False,
            False,
            "changes: the number is the order of plugging in",
        ),
    ]


def _usb_names(card: Card) -> list[Name]:
    if not (usb := card.usb):
        return []
    kind = f"usb:{usb.vendor}:{usb.product}"
    found = [
        Name(
            kind,
            True,
            True,
            "stays after a reboot and in any port, while it is the only one of its kind",
        )
    ]
    if usb.serial:
        found.insert(
            0, Name(f"{kind}:{usb.serial}", True, True, "stays after a reboot and in any port")
        )
    if usb.path:
        found.append(
            Name(
                f"usb-path:{usb.path}",
                True,
                False,
                "stays after a reboot, as long as it is in this port",
            )
        )
    return found


def _split(name: str) -> tuple[str, str]:
    base, comma, device = name.rpartition(",")
    return (base, device) if comma and re.fullmatch("[0-9]{1,3}", device) else (name, "")


def _having(name: str, cards: list[Card]) -> list[Card]:
    """The cards with this name; those that only play are not meant where others capture."""
    wanted = _canonical(name)
    found = [card for card in cards if wanted in _known_as(card)]
    return [card for card in found if card.captures] or found


def _canonical(name: str) -> str:
    """The name with its hexadecimal numbers in lower case; ConfigError if it has no form that a card can have."""
    parts = name.split(":", 3)
    if parts[0] == "usb":
        name = ":".join([part.lower() for part in parts[:3]] + parts[3:])
    if not _FORMS.fullmatch(_split(name)[0]):
        raise ConfigError(
            f"--device {name}: give usb:VID:PID[:SERIAL] with four hexadecimal digits each, "
            "usb-path:BUS-PORT[.PORT]... or card:NAME; `edgeae devices` prints them"
        )
    return name


def _known_as(card: Card) -> set[str]:
    known = {f"card:{name}" for name in (card.id, card.title, card.long_name)}
    if usb := card.usb:
        kind = f"usb:{usb.vendor}:{usb.product}"
        known |= {
            kind,
            f"{kind}:{usb.serial}",
            f"usb-path:{usb.path}",
        }  # an empty serial or path has no valid form
    return known


def _missing(name: str, cards: list[Card]) -> DeviceError:
    there = [
        f"{names_of(card, first_capture(card), cards)[0].name} ({_title(card)})"
        for card in cards
        if card.captures
    ]
    if not there:
        return DeviceError(
            f"there is no capture device {name}: this computer shows none, so check the cable"
        )
    return DeviceError(f"there is no capture device {name}: there are " + ", ".join(there))


def _ambiguous(name: str, found: list[Card], cards: list[Card]) -> DeviceError:
    """One sentence that names each by what tells them apart."""
    told = []
    for card in found:
        names = [
            n.name
            for n in names_of(card, first_capture(card), cards)
            if n.name.startswith("usb-path:")
        ]
        told.append(f"{(names or [f'card:{card.id}'])[0]} ({_title(card)}, card {card.id})")
    return DeviceError(f"{name} is more than one device: choose " + " or ".join(told))


def _title(card: Card) -> str:
    return card.title or card.id
