"""The figures of an evaluation as text for a terminal, and as CSV files."""

import csv
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .summary import AREAS, Figures, Tested


def write_tables(folder: Path, tested: Mapping[str, Tested], summary: Figures) -> None:
    """``anomaly_scores.csv``, a row a recording, and ``test_results.csv``, a row a machine."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(score) for found in tested.values() for score in found.scores]
    _write_csv(folder / "anomaly_scores.csv", rows)
    _write_csv(
        folder / "test_results.csv", [{"machine": m, **r} for m, r in summary["machines"].items()]
    )


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def figure(value: float | None, digits: int = 3) -> str:
    """A number, or a dash for none."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def with_interval(figures: Figures, name: str, digits: int = 3) -> str:
    """``0.973 (0.958 to 0.986)``"""
    low, high = (figure(figures[f"{name}_{end}"], digits) for end in ("low", "high"))
    return figure(figures[name], digits) + (f" ({low} to {high})" if low != "-" else "")


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def tables(summary: Figures) -> list[list[list[str]]]:
    """Three tables of rows of cells, the first row of each being its head: ranking, threshold, alarms."""
    machines = summary["machines"]
    over_all = {"all": summary["all"]} if len(machines) > 1 else {}
    rows = {**machines, **over_all}.items()
    return [
        _ranking(summary),
        [RATES, *(_rates(*row) for row in rows)],
        [STREAM, *(_stream(*row) for row in rows)],
    ]


def _ranking(summary: Figures) -> list[list[str]]:
    machines, bare, harmonic = summary["machines"], summary["no_network"], summary["harmonic_mean"]
    rows = [["machine", "AUC (95 %)", "pAUC (95 %)", "normal", "anomaly"]]
    for machine, r in machines.items():
        counts = [figure(r["n_normal"]), figure(r["n_anomaly"])]
        rows.append([machine, with_interval(r, "auc"), with_interval(r, "pauc"), *counts])
    if len(machines) > 1:
        rows.append(["mean", *(with_interval(summary["mean"], name) for name in AREAS), "", ""])
        rows.append(["harmonic mean", *(figure(harmonic[name]) for name in AREAS), "", ""])
    rows.append(["no network", *(figure(bare[name]) for name in AREAS), "", ""])
    return [
        *rows,
        ["above it", *(with_interval(bare, f"{name}_difference", 4) for name in AREAS), "", ""],
    ]


RATES = ["recordings", "false alarms (95 %)", "precision", "recall", "F1", "recall at 1/day (95 %)"]


def _rates(machine: str, r: Figures) -> list[str]:
    shares = (figure(r[name]) for name in ("precision", "recall", "f1"))
    return [
        machine,
        with_interval(r, "false_alarm_rate"),
        *shares,
        with_interval(r, "recall_1_per_day"),
    ]


STREAM = [
    "as a stream",
    "normal h",
    "alarms",
    "a day (95 %)",
    "in alarm",
    "faults",
    "delay s, median",
    "90 %",
    "never",
]


def _stream(machine: str, r: Figures) -> list[str]:
    normal = [
        figure(r["normal_hours"], 2),
        figure(r["false_alarms"]),
        with_interval(r, "false_alarms_per_day", 0),
    ]
    delays = [figure(r["splices"]), figure(r["delay_median_s"], 1), figure(r["delay_p90_s"], 1)]
    return [machine, *normal, percent(r["share_in_alarm"]), *delays, percent(r["never_detected"])]


def table(summary: Figures) -> str:
    """The tables in columns for a terminal of 100, and what they mean."""
    return "\n\n".join([*map(_columns, tables(summary)), "\n".join(remarks(summary))])


def _columns(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        (f"{cell:{'<' if k == 0 else '>'}{widths[k]}}" for k, cell in enumerate(row))
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def remarks(summary: Figures) -> list[str]:
    """Sentences: is it better than no network, and what is the threshold worth?"""
    found = [_baseline(summary["no_network"])]
    if any(figures["extrapolated_1_per_day"] for figures in summary["machines"].values()):
        found.append(
            "One false alarm a day is rarer than the training recordings can show: extrapolated."
        )
    return found


def _baseline(bare: Figures) -> str:
    low, high = (bare[f"auc_difference_{end}"] for end in ("low", "high"))
    if low is None or high is None:
        return "Whether the network is worth its place, these recordings cannot tell."
    if low <= 0 <= high:
        return "The AUC is not told apart from that without the network: the interval of the difference holds 0."
    return f"The AUC is {'above' if low > 0 else 'below'} that without the network."
