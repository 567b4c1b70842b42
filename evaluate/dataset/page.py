"""The page of `edgeae inspect`: what to fix first, then what the data set holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeae.runtime.system.path_text import path_text

from ..pages.page import render_page
from .band_levels import INSPECTION_SPEC
from .charts import band_chart, level_chart, spectrograms
from .checks import KINDS
from .findings import MAX_NAMED_FILES, Finding
from .survey import MAX_PICTURED_FRAMES, MAX_PICTURED_MACHINES, Survey
from .verdict import verdict

MAX_FILES = 500  # of one finding; `edgeae inspect --json` names all
MAX_MACHINES = 24  # whose levels are drawn


@dataclass(frozen=True)
class FindingView:
    """A finding on the page; a tuple of several files is one of copies of each other."""

    statement: str
    advice: str
    files: list[tuple[str, ...]]
    more_files: list[tuple[str, ...]]
    n_more: int  # also those that the page does not name


def write_page(
    path: Path,
    survey: Survey,
    findings: Sequence[Finding],
    rows: Sequence[Sequence[str]],
    words: str,
) -> None:
    """Write the page.

    rows: a table of the data set, its head first.
    words: what the words of its head mean.
    """
    machines = survey.machines[:MAX_MACHINES]
    level_charts = [level_chart(survey, machine) for machine in machines]
    band_charts = [band_chart(survey, machine) for machine in machines]
    page = render_page(
        "edgeae.evaluate.dataset",
        "dataset.html",
        title="edgeae: data set",
        name=survey.folder.resolve().name,
        verdict=verdict(survey, findings),
        refused=[_relative(survey, sentence) for sentence in survey.refused[:MAX_FILES]],
        problems=[_view(survey, finding) for finding in findings if finding.hinders],
        notes=[_view(survey, finding) for finding in findings if not finding.hinders],
        rows=rows,
        words=words,
        n_machines=len(survey.machines),
        max_machines=MAX_MACHINES,
        level_charts=[chart for chart in level_charts if chart],
        band_charts=[chart for chart in band_charts if chart],
        max_spectrogram_machines=MAX_PICTURED_MACHINES,
        spectrogram_seconds=round(MAX_PICTURED_FRAMES / INSPECTION_SPEC.frames_per_second),
        spectrograms=[
            chart for machine in survey.machines for chart in spectrograms(survey, machine)
        ],
        checks=[
            (kind, f"{_count_files(findings, kind)}: {description}")
            for kind, description in KINDS.items()
        ],
    )
    path.write_text(page, encoding="utf-8")


def _view(survey: Survey, finding: Finding) -> FindingView:
    files = [
        tuple(_relative(survey, file) for file in copies) for copies in finding.files[:MAX_FILES]
    ]
    return FindingView(
        statement=finding.what[0].upper() + finding.what[1:],
        advice=finding.advice.replace("`", ""),
        files=files[:MAX_NAMED_FILES],
        more_files=files[MAX_NAMED_FILES:],
        n_more=max(0, len(finding.files) - MAX_NAMED_FILES),
    )


def _relative(survey: Survey, text: str) -> str:
    """Return the text without the folder at its start, which file names and messages begin with."""
    return text.removeprefix(f"{path_text(survey.folder)}/")


def _count_files(findings: Sequence[Finding], kind: str) -> str:
    """Return in how many files the check found something; "noted" for the data set as a whole."""
    of_kind = [finding for finding in findings if finding.kind == kind]
    n_files = len({file for finding in of_kind for copies in finding.files for file in copies})
    if n_files:
        return "1 file" if n_files == 1 else f"{n_files} files"
    return "noted" if of_kind else "none"
