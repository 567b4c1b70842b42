"""Test all capture devices of this computer, with the names that each has now."""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..system.kernel import PROCFS, SYSFS, read_text
from .alsa import Alsa
from .cards import Card, list_cards
from .listing import Device, list_devices
from .names import Name, names_of
from .opening import BUSY
from .trial import DeviceTrial, Level, Offer, TrialLimits, try_device


@dataclass(frozen=True)
class Probe:
    """A device, all names it has now (the most stable first), and the result of testing it."""

    device: Device
    names: tuple[Name, ...]
    trial: DeviceTrial

    def to_dict(self) -> dict[str, object]:
        """Return all of it as one flat JSON object; what is unknown is null."""
        offer = self.trial.offer
        level = self.trial.level
        no_offer = dict.fromkeys(Offer.__dataclass_fields__)
        no_level = dict.fromkeys(Level.__dataclass_fields__)
        return {
            **asdict(self.device),
            "names": [asdict(name) for name in self.names],
            "state": self.trial.state,
            "reason": self.trial.reason,
            **(asdict(offer) if offer else no_offer),
            **(asdict(level) if level else no_level),
        }


def probe_all(
    library: Alsa | None = None,
    *,
    level: bool = True,
    sysfs: Path = SYSFS,
    procfs: Path = PROCFS,
    limits: TrialLimits | None = None,
) -> list[Probe]:
    """Test every capture device of this computer, with those that this user may not open.

    library: libasound; loaded if it is not given.
    level: also measure the level.
    sysfs, procfs: where the kernel lists the cards.
    limits: how long the level is measured.

    Raises DeviceError where libasound is missing.
    """
    alsa = library or Alsa()
    cards = list_cards(sysfs, procfs)
    devices = {device.name: device for card in cards for device in _devices_of_card(card)}
    devices |= {device.name: device for device in list_devices(alsa)}
    probes = []
    for device in sorted(devices.values(), key=lambda device: (device.card, device.number)):
        trial = try_device(alsa, device.name, level=level, limits=limits)
        if trial.state == BUSY:
            trial = _with_owner(trial, device, procfs)
        card = _card_of(device, cards)
        names = names_of(card, device.number, cards)
        probes.append(Probe(device, tuple(names), trial))
    return probes


def _devices_of_card(card: Card) -> list[Device]:
    """The capture devices of a card by the kernel alone, without their own titles."""
    return [
        Device(
            f"hw:CARD={card.id},DEV={number}", f"hw:{card.number},{number}", card.title or card.id
        )
        for number in card.captures
    ]


def _card_of(device: Device, cards: list[Card]) -> Card:
    """The card of a device; where the kernel hides it, as far as its name describes it."""
    for card in cards:
        if card.number == device.card:
            return card
    card_id = device.name.removeprefix("hw:CARD=").partition(",")[0]
    return Card(device.card, card_id)


def _with_owner(trial: DeviceTrial, device: Device, procfs: Path) -> DeviceTrial:
    """Name the process that has a busy device open, if the kernel shows it."""
    pattern = f"asound/card{device.card}/pcm{device.number}c/sub*/status"
    for status in procfs.glob(pattern):
        if match := re.search(r"owner_pid\s*: (\d+)", read_text(status)):
            command = read_text(procfs / match[1] / "comm") or "of another user"
            return replace(trial, reason=f"in use by process {match[1]} ({command})")
    return trial
