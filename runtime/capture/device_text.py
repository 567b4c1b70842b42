"""Describes a capture device and the result of testing it, in lines of 80 columns."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from ..audio.level import MIN_LEVEL_DBFS
from ..audio.pcm import FORMATS
from .names import Name
from .probe import Probe
from .trial import Level, Offer

MAX_COLUMNS = 80
TEXT_INDENT = 12  # columns
DURATION_INDENT = 14  # columns, for the text below a name: how long it stays valid


def device_lines(probe: Probe) -> Iterator[str]:
    """Yield the lines about one device: its title, names, what it offers and its level."""
    yield probe.device.description
    yield from _names(probe.names)
    if probe.trial.reason:
        yield from _row(probe.trial.state, probe.trial.reason)
    if probe.trial.offer:
        yield from _offer(probe.trial.offer)
    if probe.trial.level:
        yield from _level(probe.trial.level)


def _names(names: tuple[Name, ...]) -> Iterator[str]:
    """The names of a device; names that stay valid equally long share a row."""
    title = "names"
    for lasts, group in groupby(names, key=lambda name: name.lasts):
        yield from _row(title, "  ".join(name.name for name in group))
        yield from _row("", lasts, indent=DURATION_INDENT)
        title = ""


def _offer(offer: Offer) -> Iterator[str]:
    rates = " ".join(map(str, offer.rates))
    formats = [name if name in FORMATS else f"{name} (through plughw)" for name in offer.formats]
    yield from _row("rates", f"{rates} Hz" if rates else "none of the common ones")
    yield from _row("formats", ", ".join(formats) or "none that edgeae supports")
    yield from _row("channels", f"{offer.channels_min} to {offer.channels_max}")


def _level(level: Level) -> Iterator[str]:
    numbers = f"peak {level.peak_dbfs} dBFS, RMS {level.rms_dbfs} dBFS"
    yield from _row("level", f"{numbers} (channel 0, half a second)")
    if level.peak_dbfs <= MIN_LEVEL_DBFS:
        yield from _row(
            "", "every sample is zero: is it muted, or is the microphone on another channel?"
        )


def _row(title: str, text: str, indent: int = TEXT_INDENT) -> list[str]:
    """`text` in a column beside its title, in as many lines as it needs."""
    return textwrap.wrap(
        text,
        MAX_COLUMNS,
        initial_indent=f"  {title:{indent - 2}}",
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
