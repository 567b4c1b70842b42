"""The metrics of an evaluation as text for a terminal, and as CSV files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgeae.runtime.tables.glossary import explained

from .evaluation_result import (
    Alarms,
    BudgetAlarms,
    DomainResult,
    Estimate,
    EvaluationResult,
    JsonObject,
    Rates,
)
from .metrics import DEFAULT_MAX_FPR
from .recording_scores import MachineTest

Table = list[list[str]]  # rows of cells, the first row being the head

RANKING_HEAD = ["machine", "AUC (95 %)", "pAUC (95 %)", "normal", "anomaly"]
DOMAINS_HEAD = ["domain", "AUC", "pAUC", "normal", "anomaly"]
RATES_HEAD = [
    "recordings",
    "false alarms (95 %)",
    "precision",
    "recall",
    "F1",
    "recall at 1/day (95 %)",
]
STREAM_HEAD = [
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

# The words below each table, see `edgeae.runtime.tables.glossary`.
RANKING_WORDS = ("AUC", "pAUC", "(95 %)", "no network", "difference", "alone")
RATES_WORDS = ("threshold", "false alarms", "precision", "recall", "F1")
STREAM_WORDS = ("as a stream", "alarms", "a day", "in alarm", "delay", "never")
ALARMS_WORDS = ("budget", "normal h", "false", "a day", "in 1 min", "median s")

ALARMS_HEAD = [
    "alarms",
    "normal h",
    "false",
    "a day (95 %)",
    "faults",
    "in 1 min",
    "5 min",
    "15 min",
    "median s",
]


def write_tables(
    folder: Path, tests: Mapping[str, MachineTest], evaluation: EvaluationResult
) -> None:
    """Write anomaly_scores.csv (a row for each recording) and test_results.csv (each machine)."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = [score.to_row() for test in tests.values() for score in test.scores]
    _write_csv(folder / "anomaly_scores.csv", scores)
    results: list[JsonObject] = [
        {"machine": machine, **result.to_row()} for machine, result in evaluation.machines.items()
    ]
    _write_csv(folder / "test_results.csv", results)


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def number(value: float | None, digits: int = 3) -> str:
    """A number as text, or a dash for None."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """``0.973 (0.958 to 0.986)``, without the parentheses where there is no interval."""
    value = number(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({number(estimate.low, digits)} to {number(estimate.high, digits)})"


def percent(share: float | None) -> str:
    """``24%``, or a dash for None."""
    return "-" if share is None else f"{share:.0%}"


def ranking_table(evaluation: EvaluationResult) -> Table:
    """AUC and pAUC of each machine, their means, and those without the network."""
    rows = [RANKING_HEAD]
    for machine, result in evaluation.machines.items():
        areas = [with_interval(result.ranking.auc), with_interval(result.ranking.pauc)]
        counts = [number(result.rates.n_normal), number(result.rates.n_anomaly)]
        rows.append([machine, *areas, *counts])
    mean = evaluation.mean
    if len(evaluation.machines) > 1:
        harmonic = evaluation.harmonic_mean
        rows.append(["mean", with_interval(mean.auc), with_interval(mean.pauc), "", ""])
        rows.append(["harmonic mean", number(harmonic.auc), number(harmonic.pauc), "", ""])
    baseline = [number(mean.no_network_auc), number(mean.no_network_pauc)]
    rows.append(["no network", *baseline, "", ""])
    differences = [with_interval(mean.auc_difference, 4), with_interval(mean.pauc_difference, 4)]
    rows.append(["difference", *differences, "", ""])
    for name, view in evaluation.views.items():
        rows.append([f"{name} alone", number(view.auc), number(view.pauc), "", ""])
    return rows


def domains_table(evaluation: EvaluationResult) -> Table | None:
    """AUC and pAUC of the domains of each machine; None if no machine has two."""
    rows = [
        [f"{machine} {domain}", number(areas.auc), number(areas.pauc), *_counts(areas)]
        for machine, result in evaluation.machines.items()
        for domain, areas in result.domains.items()
    ]
    if not rows:
        return None
    score = number(evaluation.harmonic_mean.challenge)
    return [DOMAINS_HEAD, *rows, ["DCASE score", score, "", "", ""]]


def _counts(areas: DomainResult) -> list[str]:
    return [number(areas.n_normal), number(areas.n_anomaly)]


def rates_table(evaluation: EvaluationResult) -> Table:
    """How many recordings of each machine are above the threshold."""
    rows = [_rates_row(name, result.rates) for name, result in evaluation.machines.items()]
    if len(rows) > 1:
        rows.append(_rates_row("all", evaluation.rates))
    return [RATES_HEAD, *rows]


def _rates_row(name: str, rates: Rates) -> list[str]:
    return [
        name,
        with_interval(rates.false_alarm_rate),
        number(rates.precision),
        number(rates.recall),
        number(rates.f1),
        with_interval(rates.recall_1_per_day),
    ]


def stream_table(evaluation: EvaluationResult) -> Table:
    """The alarms in the simulated stream of each machine."""
    rows = [_stream_row(name, result.alarms) for name, result in evaluation.machines.items()]
    if len(rows) > 1:
        rows.append(_stream_row("all", evaluation.alarms))
    return [STREAM_HEAD, *rows]


def _stream_row(name: str, alarms: Alarms) -> list[str]:
    return [
        name,
        number(alarms.normal_hours, 2),
        number(alarms.false_alarms),
        with_interval(alarms.false_alarms_per_day, 0),
        percent(alarms.share_in_alarm),
        number(alarms.splices),
        number(alarms.delay_median_s, 1),
        number(alarms.delay_p90_s, 1),
        percent(alarms.never_detected),
    ]


def alarms_table(evaluation: EvaluationResult) -> Table | None:
    """The alarms of each machine at the requested budget; None without a budget."""
    total = evaluation.mean_budget_alarms
    if total is None:
        return None
    head = [f"alarms at {total.budget}", *ALARMS_HEAD[1:]]
    rows = [
        _alarms_row(name, result.budget_alarms)
        for name, result in evaluation.machines.items()
        if result.budget_alarms
    ]
    if len(rows) > 1:
        rows.append(_alarms_row("mean", total))
    return [head, *rows]


def _alarms_row(name: str, alarms: BudgetAlarms) -> list[str]:
    return [
        name,
        number(alarms.normal_hours, 2),
        number(alarms.false_alarms),
        with_interval(alarms.false_alarms_per_day, 1),
        number(len(alarms.delays_s)),
        *(percent(share) for share in alarms.found_within_s.values()),
        number(alarms.median_delay_s, 1),
    ]


def terminal_text(evaluation: EvaluationResult) -> str:
    """The tables in columns for a terminal of 100, their words, and remarks on them."""
    parts = [with_words(ranking_table(evaluation), RANKING_WORDS, evaluation.max_fpr)]
    domains = domains_table(evaluation)
    if domains:
        parts.append(in_columns(domains))
    parts.append(with_words(rates_table(evaluation), RATES_WORDS))
    alarms = alarms_table(evaluation)
    if alarms:
        parts.append(with_words(alarms, ALARMS_WORDS))
    else:
        parts.append(with_words(stream_table(evaluation), STREAM_WORDS))
    parts.append("\n".join(remarks(evaluation)))
    return "\n\n".join(parts)


def with_words(rows: Table, words: Sequence[str], max_fpr: float = DEFAULT_MAX_FPR) -> str:
    """A table in columns, and below it what its words mean.

    max_fpr: highest false positive rate of the pAUC
    """
    return f"{in_columns(rows)}\n{explained(*words, max_fpr=max_fpr)}"


def in_columns(rows: Table) -> str:
    """The first column aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(cells).rstrip()


def remarks(evaluation: EvaluationResult) -> list[str]:
    """Sentences: does the network help, and is the threshold extrapolated?"""
    sentences = [_network_remark(evaluation.mean.auc_difference)]
    if any(result.extrapolated_1_per_day for result in evaluation.machines.values()):
        sentences.append(
            "One false alarm a day is rarer than the training recordings can show: extrapolated."
        )
    return sentences


def _network_remark(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return "These recordings do not show whether the network helps."
    if difference.low <= 0 <= difference.high:
        return "The network does not change the AUC significantly: the interval contains 0."
    direction = "above" if difference.low > 0 else "below"
    return f"The AUC is {direction} that without the network."
