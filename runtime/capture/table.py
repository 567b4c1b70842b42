"""A capture device for people to read: every line within 80 columns."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from ..audio.level import MIN_LEVEL_DBFS
from ..audio.pcm import FORMATS
from .probe import Probe

COLUMNS = 80


def lines(probe: Probe) -> Iterator[str]:
    """What is known of a device, its names first."""
    yield probe.device.description
    for count, (lasts, names) in enumerate(groupby(probe.names, key=lambda name: name.lasts)):
        yield from row("" if count else "names", "  ".join(name.name for name in names))
        yield from row("", lasts, indent=14)
    if probe.trial.reason:
        yield from row(probe.trial.state, probe.trial.reason)
    if offer := probe.trial.offer:
        formats = [
            name if name in FORMATS else f"{name} (through plughw)" for name in offer.formats
        ]
        yield from row(
            "rates",
            f"{' '.join(map(str, offer.rates))} Hz" if offer.rates else "none of the usual ones",
        )
        yield from row("formats", ", ".join(formats) or "none that is known here")
        yield from row("channels", f"{offer.channels_min} to {offer.channels_max}")
    if level := probe.trial.level:
        yield from row(
            "level",
            f"peak {level.peak_dbfs} dBFS, RMS {level.rms_dbfs} dBFS (channel 0, half a second)",
        )
        if level.peak_dbfs <= MIN_LEVEL_DBFS:
            yield from row(
                "", "every sample is zero: is it muted, or the microphone on another channel?"
            )


def row(title: str, words: str, indent: int = 12) -> list[str]:
    """`words` in a column beside their title, in as many lines as they need."""
    first, blank = f"  {title:{indent - 2}}", " " * indent
    return textwrap.wrap(
        words, COLUMNS, initial_indent=first, subsequent_indent=blank, break_on_hyphens=False
    )
