"""The known sensitivity of a detector in words: which change it detects within which time."""

from collections.abc import Sequence

from ..model.sections import SensitivitySection

KIND_COLUMN = 54  # characters
OPPOSITES = ("louder", "quieter")  # the first word of two kinds that share a row


def sensitivity_rows(sections: Sequence[SensitivitySection]) -> dict[str, str]:
    """``3 dB within 1 minute, 1.5 dB within 10 minutes`` for each kind of change."""
    return {
        kind: ", ".join(
            f"{strength_text(section)} within {_minutes(section.within_seconds)}"
            for section in row.values()
        )
        for kind, row in _rows(sections).items()
    }


def sensitivity_table(sections: Sequence[SensitivitySection]) -> list[str]:
    """The same as lines of a table, with a column for each time; empty without sections."""
    times = list(dict.fromkeys(section.within_seconds for section in sections))
    if not times:
        return []
    head = "".join(f"{_minutes(time):>12}" for time in times)
    lines = [f"{'smallest change that raises an alarm in':{KIND_COLUMN}}{head}"]
    for kind, row in _rows(sections).items():
        texts = [strength_text(row[time]) if time in row else "-" for time in times]
        columns = "".join(f"{text:>12}" for text in texts)
        lines.append(f"  {kind:{KIND_COLUMN - 2}}{columns}")
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
