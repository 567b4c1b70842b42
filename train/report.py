"""A self-contained HTML page of an evaluation: verdict, table, ROC curves and score histograms."""

import html
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeae.runtime.detector import Detector

from .tables import remarks, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .summary import Tested

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
       max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } div.wide { overflow-x: auto }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left }
svg { max-width: 100%; height: auto; background: #fff; border-radius: .3rem }
"""


def verdict(summary: dict[str, Any]) -> str:
    """The evaluation in one sentence."""
    mean, worst, bare = summary["mean"]["auc"], summary["worst"], summary["no_network"]["auc"]
    if mean is None:
        return "No machine has both normal and anomalous test recordings, so nothing can be said about detection."
    return (
        f"Of 100 pairs of a normal and an anomalous recording, {100 * mean:.1f} are ranked rightly on average "
        f"(AUC {mean:.3f}), {100 * worst['auc']:.1f} on the worst machine ({worst['machine']}); "
        f"without a network it would be {100 * bare:.1f}."
    )


def _svg(figure: "Figure") -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.S)


def _plots(tested: "dict[str, Tested]") -> str:
    from matplotlib.figure import Figure
    from sklearn.metrics import roc_curve

    parts = []
    for machine, found in ((machine, found.scores) for machine, found in tested.items()):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        values, truth = np.array([s.score for s in found]), np.array([s.label == "anomaly" for s in found])
        bins = np.linspace(values.min(), values.max() + 1e-9, 40).tolist()
        right.hist([values[~truth], values[truth]], bins, label=["normal", "anomaly"], stacked=True)
        if found[0].threshold is not None:
            right.axvline(found[0].threshold, color="black", linestyle="--", label="threshold")
        right.set(xlabel="score (ln)", ylabel="recordings", title=f"{machine}: scores")
        right.legend()
        if truth.any() and not truth.all():
            left.plot(*roc_curve(truth, values)[:2])
        left.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
        left.set(xlabel="false positive rate", ylabel="true positive rate", title=f"{machine}: ROC")
        parts.append(_svg(figure))
    return "".join(parts)


def _table(rows: list[list[str]]) -> str:
    head, *body = ([html.escape(cell) for cell in row] for row in rows)
    lines = ["<tr><th>" + "<th>".join(head), *("<tr><td>" + "<td>".join(row) for row in body)]
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


def write_report(
    path: Path,
    tested: "dict[str, Tested]",
    summary: dict[str, Any],
    detector: Detector,
    calibration_clips: int | None,
) -> None:
    """Write the page; it needs no network to be read."""
    how = f"each machine calibrated on {calibration_clips} clips" if calibration_clips else "the artifact's own head"
    facts = f"{summary['model']}, head {summary['head']}, window {detector.window:g} s, {how}."
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>edgeae evaluation</title><style>{STYLE}</style><h1>Evaluation</h1><p>{verdict(summary)}"
        f"<p>{' '.join(remarks(summary))}<p>{html.escape(facts)}{'<br>'.join(map(_table, tables(summary)))}"
        f"{_plots(tested)}</html>\n"
    )
    path.write_text(page, encoding="utf-8")
