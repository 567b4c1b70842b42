"""`edgeae inspect`: what a data set holds, and what to fix before training on it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.errors import printable
from edgeae.runtime.tables.glossary import explained, explanation

from .checks import findings
from .findings import Finding
from .survey import GROUPS, Survey, survey
from .verdict import verdict

PAGE_NAME = "inspect.html"
TABLE_HEAD = [
    "machine",
    "split",
    "label",
    "files",
    "minutes",
    "seconds each",
    "dBFS",
    "Hz",
    "channels",
]
N_WORD_COLUMNS = 3
TABLE_WORDS = ("split", "label", "seconds each", "dBFS", "Hz")


def table_rows(result: Survey) -> list[list[str]]:
    """The head, and a row for each machine, split and label that has recordings."""
    rows = [TABLE_HEAD]
    for machine in result.machines:
        for split, label in GROUPS:
            if result.of(machine, split, label):
                rows.append([machine, split, label, *_cells(result, machine, split, label)])
    return rows


def _cells(result: Survey, machine: str, split: str, label: str) -> list[str]:
    recordings = result.of(machine, split, label)
    seconds = [recording.seconds for recording in recordings]
    return [
        str(len(recordings)),
        f"{sum(seconds) / 60:.1f}",
        value_range(seconds),
        value_range(recording.level_dbfs for recording in recordings),
        _distinct(recording.samplerate for recording in recordings),
        _distinct(recording.channels for recording in recordings),
    ]


def value_range(values: Iterable[float | None]) -> str:
    """``1.0 to 2.0``, or ``1.0`` if all values are the same; a dash if all are None."""
    present = [value for value in values if value is not None]
    if not present:
        return "-"
    ends = dict.fromkeys((f"{min(present):.1f}", f"{max(present):.1f}"))
    return " to ".join(ends)


def _distinct(values: Iterable[int | None]) -> str:
    """The different values in order; a dash for None."""
    ordered = sorted(set(values), key=lambda value: value or 0)
    return ", ".join("-" if value is None else str(value) for value in ordered)


def terminal_text(result: Survey, points: Sequence[Finding]) -> str:
    """The verdict, the table with its words, the problems and the notes."""
    rows = table_rows(result)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in rows]
    sentences = [verdict(result, points), "", *lines, *explained(*TABLE_WORDS).splitlines()]
    to_fix = problems(result, points)
    notes = [f"note: {point.sentence()}" for point in points if not point.hinders]
    if to_fix:
        sentences += ["", "to fix:", *(f"- {problem}" for problem in to_fix)]
    if notes:
        sentences += ["", *notes]
    return "\n".join(map(printable, sentences))


def _aligned(cell: str, width: int, column: int) -> str:
    """Words aligned to the left, numbers to the right."""
    return cell.ljust(width) if column < N_WORD_COLUMNS else cell.rjust(width)


def problems(result: Survey, points: Sequence[Finding]) -> list[str]:
    """What to fix before training, one sentence each."""
    return [*result.refused, *(point.sentence() for point in points if point.hinders)]


def as_json(result: Survey, points: Sequence[Finding]) -> dict[str, object]:
    """Every recording, the files that cannot be used, and every finding with all of its files."""
    return {
        "recordings": [asdict(recording) for recording in result.recordings],
        "refused": result.refused,
        "findings": [asdict(point) for point in points],
        "problems": problems(result, points),
    }


@click.command()
@click.argument("data", default="data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Write the report page {PAGE_NAME} to this folder.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object on stdout.")
@click.option(
    "--channel", default="0", help="Channel to read, counted from 0, or 'mix'.  [default: 0]"
)
def inspect(data: Path, output: Path | None, json_: bool, channel: str) -> None:
    """Show counts, durations, levels, clipping, silence and copies in a data set,
    and what to fix first.

    With -o, also write a page with spectrograms and the levels of the bands.

    \b
    Examples:
      edgeae inspect DATA
      edgeae inspect DATA -o report
    """
    result = survey(data, parse_channel(channel))
    points = findings(result)
    if output:
        from .page import write_page

        output.mkdir(parents=True, exist_ok=True)
        words = explanation(*TABLE_WORDS)
        write_page(output / PAGE_NAME, result, points, table_rows(result), words)
    click.echo(json.dumps(as_json(result, points)) if json_ else terminal_text(result, points))
    if output:
        click.echo(printable(f"written: {output / PAGE_NAME}"), err=True)
