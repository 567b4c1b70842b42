"""Stable names of capture devices, beside ALSA's own.

ALSA numbers cards in the order of plugging, so `hw:1` may be another microphone after a reboot.

    usb:0d8c:013c:AB12     vendor, product (as lsusb writes them) and, if it has one, serial number
    usb-path:1-1.2         the device in this USB port: bus, then port by port
    card:Device            the id of the card, or its long name

Each may end in `,DEV`, the number of the card's PCM device; without it the first that captures.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError, DeviceError
from ..system.kernel import PROCFS, SYSFS
from .cards import Card, Usb, list_cards

PREFIXES = ("usb:", "usb-path:", "card:")

_VALID_FORM = re.compile(
    r"usb:[0-9a-f]{4}:[0-9a-f]{4}(:.+)?|usb-path:\d+-\d+(\.\d+)*|card:.+", re.DOTALL
)
_NUMBERED = re.compile(r"(?:plug)?hw:(\d{1,3})(?:,(\d{1,3}))?")
_BY_SERIAL = "stays after a reboot and in any port"
_BY_PRODUCT = "stays after a reboot and in any port, while it is the only one of its kind"
_BY_PORT = "stays after a reboot, as long as it is in this port"
_BY_ID = "by card id: stays after a reboot and in any port, unless one like it is plugged in first"
_BY_NUMBER = "changes: the number is the order of plugging in"


@dataclass(frozen=True)
class Name:
    """One name of a device."""

    name: str
    reboot: bool  # it means the same device after a reboot
    port: bool  # it means the same device in another port
    lasts: str  # how long it means this device, in words


def resolve(name: str, *, sysfs: Path = SYSFS, procfs: Path = PROCFS) -> str:
    """Return the ALSA name that a stable name means now, `hw:CARD=<id>,DEV=<n>`.

    Other names are returned unchanged.

    Raises DeviceError when no card or more than one has this name now, and ConfigError for a name
    that no device can ever have.
    """
    if not name.startswith(PREFIXES):
        return name
    cards = list_cards(sysfs, procfs)
    device = ""
    matches = _cards_named(name, cards)
    if not matches:
        base, device = _split_device(name)
        matches = _cards_named(base, cards)
    if not matches:
        raise _missing(name, cards)
    if len(matches) > 1:
        raise _ambiguous(name, matches, cards)
    [card] = matches
    number = int(device) if device else default_device(card)
    return f"hw:CARD={card.id},DEV={number}"


def default_device(card: Card) -> int:
    """Return the number of the card's device that a name without a number means."""
    return card.captures[0] if card.captures else 0


def names_of(card: Card, device: int, cards: list[Card]) -> list[Name]:
    """Return every name that means this device now, the most stable first.

    card: the card of the device.
    device: its number on the card.
    cards: all cards of the computer.
    """
    suffix = "" if device == default_device(card) else f",{device}"
    names = [
        replace(name, name=name.name + suffix)
        for name in _usb_names(card.usb)
        if len(_cards_named(name.name, cards)) == 1
    ]
    names.append(Name(f"hw:CARD={card.id},DEV={device}", True, True, _BY_ID))
    names.append(Name(f"card:{card.id}{suffix}", True, True, _BY_ID))
    names.append(Name(f"hw:{card.number},{device}", False, False, _BY_NUMBER))
    return names


def is_numbered(name: str) -> bool:
    """True if the name holds the number of a card, which may change at a reboot."""
    return _NUMBERED.fullmatch(name) is not None


def lasting_name(name: str, *, sysfs: Path = SYSFS, procfs: Path = PROCFS) -> str | None:
    """The most stable name of a device that is named by the number of its card.

    None for another name, and for a card that is not there.
    """
    match = _NUMBERED.fullmatch(name)
    if not match:
        return None
    cards = list_cards(sysfs, procfs)
    for card in cards:
        if card.number == int(match[1]):
            device = int(match[2]) if match[2] else default_device(card)
            return names_of(card, device, cards)[0].name
    return None


def _usb_names(usb: Usb | None) -> list[Name]:
    if usb is None:
        return []
    product = f"usb:{usb.vendor}:{usb.product}"
    names: list[Name] = []
    if usb.serial:
        names.append(Name(f"{product}:{usb.serial}", True, True, _BY_SERIAL))
    names.append(Name(product, True, True, _BY_PRODUCT))
    if usb.path:
        names.append(Name(f"usb-path:{usb.path}", True, False, _BY_PORT))
    return names


def _split_device(name: str) -> tuple[str, str]:
    """Split `NAME,DEV` into name and number; the number is empty if there is none."""
    base, comma, device = name.rpartition(",")
    if comma and re.fullmatch("[0-9]{1,3}", device):
        return base, device
    return name, ""


def _cards_named(name: str, cards: list[Card]) -> list[Card]:
    """Return the cards with this name; a card that only plays counts if no other has the name."""
    wanted = _normalized(name)
    matches = [card for card in cards if wanted in _stable_names(card)]
    return [card for card in matches if card.captures] or matches


def _normalized(name: str) -> str:
    """Return the name with its hexadecimal digits in lower case.

    Raises ConfigError if it has no form that a card can have.
    """
    parts = name.split(":", 3)
    if parts[0] == "usb":
        name = ":".join([part.lower() for part in parts[:3]] + parts[3:])
    if not _VALID_FORM.fullmatch(_split_device(name)[0]):
        raise ConfigError(
            f"--device {name}: give usb:VID:PID[:SERIAL] with four hexadecimal digits each, "
            "usb-path:BUS-PORT[.PORT]... or card:NAME; `edgeae devices` prints them"
        )
    return name


def _stable_names(card: Card) -> set[str]:
    names = {f"card:{name}" for name in (card.id, card.title, card.long_name)}
    usb = card.usb
    if usb is not None:
        product = f"usb:{usb.vendor}:{usb.product}"
        # With an empty serial number or path, these have no valid form, so nobody can ask for them.
        names |= {product, f"{product}:{usb.serial}", f"usb-path:{usb.path}"}
    return names


def _missing(name: str, cards: list[Card]) -> DeviceError:
    available = [
        f"{names_of(card, default_device(card), cards)[0].name} ({_title(card)})"
        for card in cards
        if card.captures
    ]
    if available:
        choice = f"there are {', '.join(available)}"
    else:
        choice = "this computer shows none, so check the cable"
    return DeviceError(f"there is no capture device {name}: {choice}")


def _ambiguous(name: str, matches: list[Card], cards: list[Card]) -> DeviceError:
    """Name each card by its USB port, or by its id if it is not on USB."""
    choices = []
    for card in matches:
        names = [entry.name for entry in names_of(card, default_device(card), cards)]
        by_port = next((entry for entry in names if entry.startswith("usb-path:")), None)
        choices.append(f"{by_port or f'card:{card.id}'} ({_title(card)}, card {card.id})")
    return DeviceError(f"{name} is more than one device: choose {' or '.join(choices)}")


def _title(card: Card) -> str:
    return card.title or card.id
