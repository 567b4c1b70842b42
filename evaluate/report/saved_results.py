"""The results of `edgeae evaluate --json` in a file, read back for the model card.

The file may come from another program or another version: a metric that is missing or no number
becomes None.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from edgeae.runtime.errors import ConfigError

from ..results.alarm_metrics import FOUND_WITHIN_SECONDS
from ..results.evaluation_result import (
    Alarms,
    BudgetAlarms,
    Estimate,
    EvaluationResult,
    HarmonicMean,
    MachineResult,
    MeanRates,
    Ranking,
    Rates,
    ViewAreas,
    WorstMachine,
)
from ..results.metrics import DEFAULT_MAX_FPR

MAX_FILE_BYTES = 16 << 20
MAX_METRIC = 1e9  # no evaluation gives a larger one
REMEDY = "give what `edgeae evaluate MODEL DATA --json` printed"

Object = Mapping[str, object]
Metrics = TypeVar("Metrics", Ranking, Rates, MeanRates, HarmonicMean, Alarms, ViewAreas)


def read_results(path: Path) -> EvaluationResult:
    """Return the results in a file; ConfigError if it holds none."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; {REMEDY}")
        results = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON; {REMEDY}") from error
    machines = results.get("machines") if isinstance(results, dict) else None
    if not isinstance(machines, dict) or not all(
        isinstance(machine, dict) for machine in machines.values()
    ):
        raise ConfigError(f"{path}: no results of an evaluation; {REMEDY}")
    return results_from_json(results)


def results_from_json(results: Object) -> EvaluationResult:
    """Return the results in an object whose ``machines`` are objects."""
    machines = {
        name: _machine_result(metrics) for name, metrics in _object(results, "machines").items()
    }
    mean = _object(results, "mean")
    overall = _object(results, "all")
    return EvaluationResult(
        model=_text(results, "model"),
        head=_text(results, "head"),
        machines=machines,
        mean=_metrics(Ranking, {**mean, **_baseline(_object(results, "no_network"))}),
        mean_rates=_metrics(MeanRates, mean),
        harmonic_mean=_metrics(HarmonicMean, _object(results, "harmonic_mean")),
        worst=WorstMachine.of(machines),
        rates=_metrics(Rates, overall),
        alarms=_metrics(Alarms, overall),
        mean_budget_alarms=_budget_alarms(mean),
        views=_views(results),
        max_fpr=_number(results, "max_fpr") or DEFAULT_MAX_FPR,
    )


def _machine_result(metrics: object) -> MachineResult:
    values = metrics if isinstance(metrics, dict) else {}
    return MachineResult(
        ranking=_metrics(Ranking, values),
        rates=_metrics(Rates, values),
        extrapolated_1_per_day=values.get("extrapolated_1_per_day") is True,
        alarms=_metrics(Alarms, values),
        budget_alarms=_budget_alarms(values),
        views=_views(values),
    )


def _views(values: Object) -> dict[str, ViewAreas]:
    """Return the areas of each view; empty where ``values`` hold none."""
    views = _object(values, "views")
    return {name: _metrics(ViewAreas, _object(views, name)) for name in views}


def _budget_alarms(values: Object) -> BudgetAlarms | None:
    """Return the alarms at a budget; None where ``values`` hold none."""
    alarms = _object(values, "alarms")
    if not alarms:
        return None
    shares = _object(alarms, "found_within_s")
    delays = alarms.get("delays_s")
    return BudgetAlarms(
        budget=_text(alarms, "budget"),
        normal_hours=_number(alarms, "normal_hours") or 0.0,
        false_alarms=int(_number(alarms, "false_alarms") or 0),
        false_alarms_per_day=_estimate(alarms, "false_alarms_per_day"),
        found_within_s={limit: _number(shares, str(limit)) for limit in FOUND_WITHIN_SECONDS},
        median_delay_s=_number(alarms, "median_delay_s"),
        delays_s=tuple(_delay(value) for value in delays) if isinstance(delays, list) else (),
        early_alarms=int(_number(alarms, "early_alarms") or 0),
        not_judged=int(_number(alarms, "not_judged") or 0),
    )


def _baseline(no_network: Object) -> Object:
    """Return the metrics without the network, under the names that a ranking has for them."""
    differences = {key: value for key, value in no_network.items() if "difference" in key}
    areas = {f"no_network_{name}": no_network.get(name) for name in ("auc", "pauc")}
    return {**differences, **areas}


def _metrics(kind: type[Metrics], values: Object) -> Metrics:
    """Return the dataclass of metrics that ``values`` holds, flat as ``--json`` prints them."""
    metrics: dict[str, Any] = {}
    for field in fields(kind):
        name = field.name
        if field.type is Estimate:
            metrics[name] = _estimate(values, name)
        elif int in get_args(field.type):
            count = _number(values, name)
            metrics[name] = None if count is None else int(count)
        else:
            metrics[name] = _number(values, name)
    return kind(**metrics)


def _delay(value: object) -> float | None:
    return _number({"delay": value}, "delay")


def _estimate(values: Object, name: str) -> Estimate:
    return Estimate(
        _number(values, name), _number(values, f"{name}_low"), _number(values, f"{name}_high")
    )


def _number(values: Object, name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < MAX_METRIC else None


def _object(values: Object, name: str) -> Object:
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def _text(values: Object, name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
