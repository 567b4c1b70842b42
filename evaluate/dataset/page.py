"""The page of `edgeae inspect`: what to mend first, then what the data set holds."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..report.html import charts, facts, figure, page, paragraph, table
from .band_levels import INSPECTION_SPEC
from .charts import band_chart, level_chart, spectrograms
from .checks import KINDS
from .findings import MAX_NAMED_FILES, Finding
from .survey import MAX_PICTURED_FRAMES, MAX_PICTURED_MACHINES, Survey
from .verdict import verdict

LISTED = 500  # files of one point, at most; `edgeae inspect --json` names all
DRAWN = 24  # machines whose levels are drawn


def write_page(
    path: Path, survey: Survey, points: Sequence[Finding], rows: Sequence[Sequence[str]]
) -> None:
    """Write the page; it needs no network to be read. rows: a table of the data set, its head first."""
    parts = [
        f"<h1>Data set {html.escape(survey.folder.resolve().name)}</h1>",
        paragraph(verdict(survey, points), "verdict"),
        _mend(survey, points),
        _notes(survey, [point for point in points if not point.hinders]),
        "<h2>Recordings</h2>",
        table(rows, "Recordings by machine, split and label"),
        _levels(survey),
        _bands(survey),
        _spectrograms(survey),
        _checked(points),
    ]
    path.write_text(page("edgeae: data set", "".join(parts)), encoding="utf-8", errors="replace")


def _mend(survey: Survey, points: Sequence[Finding]) -> str:
    refused = [
        f"<li>{html.escape(_relative(survey, sentence))}.</li>"
        for sentence in survey.refused[:LISTED]
    ]
    lines = [*refused, *(_line(survey, point) for point in points if point.hinders)]
    body = f"<ol>{''.join(lines)}</ol>" if lines else paragraph("Nothing was found.")
    return f"<h2>What to fix before training</h2>{body}"


def _notes(survey: Survey, notes: Sequence[Finding]) -> str:
    return (
        f"<h2>Worth knowing</h2><ul>{''.join(_line(survey, note) for note in notes)}</ul>"
        if notes
        else ""
    )


def _line(survey: Survey, point: Finding) -> str:
    """A point in one sentence; many files are folded away."""
    names = [_code(survey, together) for together in point.files[:LISTED]]
    more = (
        [f"{len(point.files) - MAX_NAMED_FILES} more"] if len(point.files) > MAX_NAMED_FILES else []
    )
    where = f": {', '.join(names[:MAX_NAMED_FILES] + more)}" if names else ""
    rest = (
        f"<details><summary>the other files</summary>{', '.join(names[MAX_NAMED_FILES:])}</details>"
        if more
        else ""
    )
    what, advice = (
        html.escape(point.what[0].upper() + point.what[1:]),
        html.escape(point.advice.replace("`", "")),
    )
    return f"<li><strong>{what}</strong>{where}; {advice}.{rest}</li>"


def _code(survey: Survey, together: Iterable[str]) -> str:
    return " = ".join(f"<code>{html.escape(_relative(survey, file))}</code>" for file in together)


def _relative(survey: Survey, text: str) -> str:
    """Without the folder where it stands first, as in the name of a file and in what is said of one."""
    return text.removeprefix(f"{survey.folder}/")


def _checked(points: Sequence[Finding]) -> str:
    """What was looked for, and in how many files it was found."""
    pairs = [
        (kind, f"{_found([p for p in points if p.kind == kind])}: {what}")
        for kind, what in KINDS.items()
    ]
    said = "Copies are told by their first 1.1 s: one that begins elsewhere in a recording is not found."
    return f"<h2>What was looked for</h2>{facts(pairs, 'Checks')}{paragraph(said, 'soft')}"


def _found(points: Sequence[Finding]) -> str:
    """In how many files, if it is told of files."""
    n = len({file for point in points for together in point.files for file in together})
    return f"{n} file{'s' * (n > 1)}" if n else "noted" if points else "none"


def _levels(survey: Survey) -> str:
    found = [
        chart for machine in survey.machines[:DRAWN] if (chart := level_chart(survey, machine))
    ]
    return f"<h2>Levels</h2>{_limited(survey, DRAWN)}{charts(map(figure, found))}" if found else ""


def _bands(survey: Survey) -> str:
    found = [chart for machine in survey.machines[:DRAWN] if (chart := band_chart(survey, machine))]
    said = (
        "The line is the median of all frames, the area holds 90 % of them. "
        "Where the test lies beside the training, normal sound will raise alarms."
    )
    return f"<h2>Levels of the bands</h2>{paragraph(said, 'soft')}{_limited(survey, DRAWN)}{charts(map(figure, found))}"


def _spectrograms(survey: Survey) -> str:
    found = [figure(*pair) for machine in survey.machines for pair in spectrograms(survey, machine)]
    seconds = round(MAX_PICTURED_FRAMES / INSPECTION_SPEC.frames_per_second)
    said = f"The first recording of each kind, {seconds} s at most; the spectrograms of a machine share one scale."
    return (
        f"<h2>Spectrograms</h2>{paragraph(said, 'soft')}{_limited(survey, MAX_PICTURED_MACHINES)}{charts(found)}"
        if found
        else ""
    )


def _limited(survey: Survey, most: int) -> str:
    n = len(survey.machines)
    return paragraph(f"The first {most} of {n} machines.", "soft") if n > most else ""
