"""`edgeae inspect`: what a data set holds, and what to mend before training on it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgeae.runtime.audio.channel import parse_channel
from edgeae.runtime.errors import printable

from .checks import findings
from .findings import Finding
from .survey import GROUPS, Survey, survey


def rows(found: Survey) -> list[list[str]]:
    """A head, and a row for each machine, split and label."""
    head = [
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
    groups = [(machine, *group) for machine in found.machines for group in GROUPS]
    return [head, *([*group, *_cells(found, *group)] for group in groups if found.of(*group))]


def _cells(found: Survey, machine: str, split: str, label: str) -> list[str]:
    mine = found.of(machine, split, label)
    seconds, levels = [fact.seconds for fact in mine], [fact.level_dbfs for fact in mine]
    return [
        str(len(mine)),
        f"{sum(seconds) / 60:.1f}",
        span(seconds),
        span(levels),
        _kinds(fact.samplerate for fact in mine),
        _kinds(fact.channels for fact in mine),
    ]


def span(values: Iterable[float | None]) -> str:
    """From the least to the greatest, or the one that all are; a dash where there is none."""
    known = [value for value in values if value is not None]
    return " to ".join(dict.fromkeys((f"{min(known):.1f}", f"{max(known):.1f}"))) if known else "-"


def _kinds(values: Iterable[int | None]) -> str:
    return ", ".join(
        "-" if kind is None else str(kind)
        for kind in sorted(set(values), key=lambda kind: kind or 0)
    )


def text(found: Survey, points: Sequence[Finding]) -> str:
    """The table and the points, for a terminal."""
    cells = rows(found)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)).rstrip() for row in cells]
    mend = problems(found, points) or ["nothing to mend was found"]
    notes = [f"note: {point.sentence()}" for point in points if not point.hinders]
    return "\n".join([*lines, "", *map(printable, [*mend, *notes])])


def problems(found: Survey, points: Sequence[Finding]) -> list[str]:
    """What to mend before training, one sentence each."""
    return [*found.refused, *(point.sentence() for point in points if point.hinders)]


def as_json(found: Survey, points: Sequence[Finding]) -> dict[str, Any]:
    """Every recording, the files that cannot be used, and every point with all of its files."""
    return {
        "recordings": [asdict(fact) for fact in found.recordings],
        "refused": found.refused,
        "findings": [asdict(point) for point in points],
        "problems": problems(found, points),
    }


@click.command()
@click.argument("data", default="data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write inspect.html there.",
)
@click.option("--json", "json_", is_flag=True, help="One JSON object.")
@click.option("--channel", default="0", help="Channel counted from 0, or 'mix'.  [default: 0]")
def inspect(data: Path, output: Path | None, json_: bool, channel: str) -> None:
    """Counts, durations, levels, clipping, silence, copies and leakage of a data set, and what to mend first.

    With -o, also a page with spectrograms and the levels of the bands.

    \b
    edgeae inspect DATA
    edgeae inspect DATA -o report
    """
    found = survey(data, parse_channel(channel))
    points = findings(found)
    if output:
        from .page import write_page

        output.mkdir(parents=True, exist_ok=True)
        write_page(output / "inspect.html", found, points, rows(found))
    click.echo(json.dumps(as_json(found, points)) if json_ else text(found, points))
    if output:
        click.echo(f"written: {output / 'inspect.html'}", err=True)
