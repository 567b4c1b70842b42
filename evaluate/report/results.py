"""The results of `edgeae evaluate --json` as tables of a model card."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeae.runtime.errors import ConfigError

from .markdown import table, text

LARGEST = 16 << 20  # bytes of a file of results
RANKING = ["", "AUC (95 %)", "pAUC (95 %)", "normal", "anomaly"]
RATES = [
    "",
    "false alarms (95 %)",
    "precision",
    "recall",
    "recall at 1/day (95 %)",
    "alarms a day (95 %)",
]
RATES += ["in alarm", "delay, median s", "never"]
NOTE = (
    "AUC and pAUC (false positive rates up to .1) rank recordings; false alarms, precision and recall are shares of "
    "recordings above the threshold; the alarms a day and the share of time in alarm are those of normal recordings "
    "heard one after another, whose joints ring where they differ; the delay is that from the splice of a fault to "
    "the alarm, `never` the share of faults without one. Intervals resample the recordings; recordings cut from one "
    "session are alike and say less."
)

Figures = dict[str, Any]
LARGEST_FIGURE = 1e9  # no evaluation gives one beyond it


def load(path: Path) -> Figures:
    """The object in a file of `edgeae evaluate --json`; ConfigError if it holds none."""
    wanted = "give what `edgeae evaluate MODEL DATA --json` printed"
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: larger than {LARGEST >> 20} MiB; {wanted}")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {wanted}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no JSON; {wanted}") from error
    machines = found.get("machines") if isinstance(found, dict) else None
    if not isinstance(machines, dict) or not all(
        isinstance(figures, dict) for figures in machines.values()
    ):
        raise ConfigError(f"{path}: no results of an evaluation; {wanted}")
    return dict(found)


def results(summary: Figures) -> str:
    """Two tables, of the ranking of recordings and of what the threshold makes of them, and what they mean."""
    said = f"Of {text(summary.get('model'))} with the head {text(summary.get('head'))}, as `edgeae evaluate` found."
    rates = table(RATES, (_rates(*row) for row in _rows(summary, "all")))
    return "\n\n".join([said, table(RANKING, _ranking(summary)), rates, NOTE])


def _rows(summary: Figures, over_all: str) -> Iterator[tuple[str, Figures]]:
    """Name and figures of each machine, then those over all if there are several."""
    machines = summary["machines"]
    yield from machines.items()
    if len(machines) > 1:
        yield over_all, _object(summary, over_all)


def _object(summary: Figures, name: str) -> Figures:
    found = summary.get(name)
    return found if isinstance(found, dict) else {}


def _ranking(summary: Figures) -> Iterator[list[str]]:
    for name, figures in _rows(summary, "mean"):
        counts = [_figure(figures, key, 0) for key in ("n_normal", "n_anomaly")]
        yield [text(name), _bounded(figures, "auc"), _bounded(figures, "pauc"), *counts]
    bare = _object(summary, "no_network")
    yield ["no network", _figure(bare, "auc"), _figure(bare, "pauc"), "", ""]
    yield [
        "above it",
        _bounded(bare, "auc_difference", 4),
        _bounded(bare, "pauc_difference", 4),
        "",
        "",
    ]


def _rates(name: str, figures: Figures) -> list[str]:
    shares = [_figure(figures, key) for key in ("precision", "recall")]
    stream = [_bounded(figures, "false_alarms_per_day", 0), _figure(figures, "share_in_alarm", 2)]
    delays = [_figure(figures, "delay_median_s", 1), _figure(figures, "never_detected", 2)]
    rung, far = (_bounded(figures, key) for key in ("false_alarm_rate", "recall_1_per_day"))
    return [text(name), rung, *shares, far, *stream, *delays]


def _figure(figures: Figures, name: str, digits: int = 3) -> str:
    """A number, or a dash for none."""
    value = figures.get(name)
    known = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < LARGEST_FIGURE
    )
    return f"{value:.{digits}f}" if known else "-"


def _bounded(figures: Figures, name: str, digits: int = 3) -> str:
    """``0.973 (0.958 to 0.986)``"""
    low, high = (_figure(figures, f"{name}_{end}", digits) for end in ("low", "high"))
    return _figure(figures, name, digits) + (
        f" ({low} to {high})" if "-" not in (low, high) else ""
    )
