"""The known sensitivity of a detector in words: which change it detects within which time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..model.sections import SensitivitySection

KIND_COLUMN = 54  # characters
OPPOSITES = ("louder", "quieter")  # the first word of two kinds that share a row


@dataclass(frozen=True)
class BandChange:
    """The smallest change of the level in a band that is detected."""

    band: str  # such as "2 to 4 kHz"
    at: Mapping[float, SensitivitySection]  # by the time within which it is detected, s


def band_changes(sections: Sequence[SensitivitySection]) -> list[BandChange]:
    """The bands that may become louder or quieter, in their order, at the times that all have."""
    start = f"{' or '.join(OPPOSITES)} at "
    bands = {
        kind.removeprefix(start): row
        for kind, row in _rows(sections).items()
        if kind.startswith(start)
    }
    times = dict.fromkeys(section.within_seconds for section in sections)
    common = [time for time in times if all(time in row for row in bands.values())]
    if not common:
        return []
    return [BandChange(band, {time: row[time] for time in common}) for band, row in bands.items()]


def sensitivity_cells(sections: Sequence[SensitivitySection]) -> list[list[str]]:
    """Rows of cells, the first being the head: a kind of change, and a column for each time.

    Empty without sections.
    """
    times = list(dict.fromkeys(section.within_seconds for section in sections))
    if not times:
        return []
    cells = [["smallest change that raises an alarm in", *map(_minutes, times)]]
    for kind, row in _rows(sections).items():
        cells.append([kind, *(strength_text(row[time]) if time in row else "-" for time in times)])
    return cells


def sensitivity_table(sections: Sequence[SensitivitySection]) -> list[str]:
    """The same as lines of a table for a terminal."""
    lines: list[str] = []
    for kind, *texts in sensitivity_cells(sections):
        label = f"  {kind}" if lines else kind
        columns = "".join(f"{text:>12}" for text in texts)
        lines.append(f"{label:{KIND_COLUMN}}{columns}")
    return lines


def strength_text(section: SensitivitySection) -> str:
    """``3 dB``, or ``> 12 dB`` if the largest strength that was tried is not detected."""
    prefix = "" if section.is_detected else "> "
    return f"{prefix}{section.strength:g} {section.unit}"


def _rows(
    sections: Sequence[SensitivitySection],
) -> dict[str, dict[float, SensitivitySection]]:
    """Of each kind of change, the section of each time.

    Louder and quieter at the same place are one kind, with the larger strength of both.
    """
    rows: dict[str, dict[float, SensitivitySection]] = {}
    for section in sections:
        direction, _, place = section.kind.partition(" ")
        kind = f"{' or '.join(OPPOSITES)} {place}" if direction in OPPOSITES else section.kind
        row = rows.setdefault(kind, {})
        before = row.get(section.within_seconds)
        if before is None or _order(section) > _order(before):
            row[section.within_seconds] = section
    return rows


def _order(section: SensitivitySection) -> tuple[bool, float]:
    return not section.is_detected, section.strength


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:g} minute{'s' * (minutes != 1)}"
