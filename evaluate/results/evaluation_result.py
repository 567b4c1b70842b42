"""The metrics of an evaluation, and the object that ``edgeae evaluate --json`` prints."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Self, TypeAlias

from .metrics import DEFAULT_MAX_FPR

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True)
class Estimate:
    """A metric and its 95 % interval; None where the recordings do not give one."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class _FlatJson:
    """A dataclass whose fields become keys of one flat JSON object.

    An `Estimate` called ``auc`` becomes the keys ``auc``, ``auc_low`` and ``auc_high``.
    """

    def to_json(self) -> JsonObject:
        """The fields in their order."""
        result: JsonObject = {}
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if isinstance(value, Estimate):
                result[item.name] = value.value
                result[f"{item.name}_low"] = value.low
                result[f"{item.name}_high"] = value.high
            else:
                result[item.name] = value
        return result


@dataclass(frozen=True)
class Ranking(_FlatJson):
    """How well scores rank anomalous recordings above normal ones, with the network and without.

    Of one machine, or the mean over machines. None for recordings of one label only.
    """

    auc: Estimate
    no_network_auc: float | None
    auc_difference: Estimate  # with the network minus without, on the same resamples
    pauc: Estimate
    no_network_pauc: float | None
    pauc_difference: Estimate


@dataclass(frozen=True)
class Rates(_FlatJson):
    """How many recordings are above the threshold; None without a threshold or without recordings.

    Precision and F1 hold for the share of anomalies in this test, which is far higher than that in
    the life of a machine.
    """

    n_normal: int | None  # None only where a file of results does not state it
    n_anomaly: int | None
    false_alarm_rate: Estimate  # share of normal recordings above the threshold
    detection_rate: float | None  # share of anomalous recordings above it: the recall
    precision: float | None
    recall: float | None
    f1: float | None
    recall_1_per_day: Estimate  # recall at the threshold for 1 false alarm a day
    # Recordings that hold no sound that can be judged; no alarm is raised on them.
    n_not_judged: int | None = None


@dataclass(frozen=True)
class MeanRates(_FlatJson):
    """The means over machines of the values in `Rates`."""

    false_alarm_rate: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    recall_1_per_day: float | None


@dataclass(frozen=True)
class Alarms(_FlatJson):
    """The alarms of simulated streams; None without streams, or where there is nothing to count."""

    normal_hours: float | None = None  # of sound
    false_alarms: int | None = None  # in it
    false_alarms_per_day: Estimate = Estimate()
    share_in_alarm: float | None = None  # of the windows of normal sound
    splices: int | None = None  # streams of normal sound with a fault after it
    early_alarms: int | None = None  # of them, those in which an alarm was on before the fault
    delay_median_s: float | None = None  # from the onset to the alarm, of the detected faults
    delay_p90_s: float | None = None
    never_detected: float | None = None  # share of the splices without an alarm in the fault


@dataclass(frozen=True)
class BudgetAlarms:
    """The alarms of simulated streams at a budget of false alarms, of one machine or of several."""

    budget: str  # such as 1/day
    normal_hours: float  # of normal sound
    false_alarms: int  # in it
    false_alarms_per_day: Estimate
    found_within_s: Mapping[int, float | None]  # seconds -> share of faults; None without faults
    median_delay_s: float | None  # of all faults; None if more than half raise no alarm
    delays_s: tuple[float | None, ...]  # of each fault stream; None without an alarm
    early_alarms: int  # fault streams in which an alarm was on before the fault
    not_judged: int  # windows of sound that cannot be judged

    def to_json(self) -> JsonObject:
        """The values under the keys of the contract."""
        rate = self.false_alarms_per_day
        return {
            "budget": self.budget,
            "normal_hours": self.normal_hours,
            "false_alarms": self.false_alarms,
            "false_alarms_per_day": rate.value,
            "false_alarms_per_day_low": rate.low,
            "false_alarms_per_day_high": rate.high,
            "found_within_s": {str(limit): share for limit, share in self.found_within_s.items()},
            "median_delay_s": self.median_delay_s,
            "delays_s": list(self.delays_s),
            "early_alarms": self.early_alarms,
            "not_judged": self.not_judged,
        }

    def to_columns(self) -> JsonObject:
        """What the flat keys of a machine do not state, for a table."""
        return {
            "budget": self.budget,
            **{f"found_within_{limit}_s": share for limit, share in self.found_within_s.items()},
            "windows_not_judged": self.not_judged,
        }


@dataclass(frozen=True)
class ViewAreas(_FlatJson):
    """How well the distance of one view alone ranks; None for recordings of one label only."""

    auc: float | None
    pauc: float | None


@dataclass(frozen=True)
class DomainResult(_FlatJson):
    """The areas of one domain of a machine, source or target, of DCASE."""

    auc: float | None
    pauc: float | None
    n_normal: int  # of this domain
    n_anomaly: int  # of all domains


@dataclass(frozen=True)
class MachineResult:
    """The metrics of one machine."""

    ranking: Ranking
    rates: Rates
    extrapolated_1_per_day: bool | None  # the threshold for 1 false alarm a day is extrapolated
    alarms: Alarms
    budget_alarms: BudgetAlarms | None = None  # None without a budget
    views: Mapping[str, ViewAreas] = field(default_factory=dict)  # by name
    domains: Mapping[str, DomainResult] = field(default_factory=dict)  # if there are two

    def to_json(self) -> JsonObject:
        """All metrics in one object: flat, but for the views, domains and alarms at a budget."""
        metrics = self._flat()
        metrics["views"] = {name: areas.to_json() for name, areas in self.views.items()}
        if self.domains:
            metrics["domains"] = {name: each.to_json() for name, each in self.domains.items()}
        if self.budget_alarms:
            metrics["alarms"] = self.budget_alarms.to_json()
        return metrics

    def to_row(self) -> JsonObject:
        """All metrics in one flat object."""
        columns = self.budget_alarms.to_columns() if self.budget_alarms else {}
        for view, areas in self.views.items():
            columns |= {f"{view}_{name}": value for name, value in areas.to_json().items()}
        return {**self._flat(), **columns}

    def _flat(self) -> JsonObject:
        return {
            **self.ranking.to_json(),
            **self.rates.to_json(),
            "extrapolated_1_per_day": self.extrapolated_1_per_day,
            **self.alarms.to_json(),
        }


@dataclass(frozen=True)
class HarmonicMean(_FlatJson):
    """The harmonic means over machines of AUC and pAUC, and the official score of DCASE."""

    auc: float | None
    pauc: float | None
    challenge: float | None = None  # of AUCs of domains and pAUCs; None without two domains


@dataclass(frozen=True)
class WorstMachine(_FlatJson):
    """The machine with the lowest AUC; None where no machine has an AUC."""

    machine: str | None
    auc: float | None

    @classmethod
    def of(cls, machines: Mapping[str, MachineResult]) -> Self:
        """The worst of these."""
        aucs = {
            machine: result.ranking.auc.value
            for machine, result in machines.items()
            if result.ranking.auc.value is not None
        }
        if not aucs:
            return cls(None, None)
        machine = min(aucs, key=lambda name: aucs[name])
        return cls(machine, aucs[machine])


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of each machine, and over all machines."""

    model: str
    head: str
    machines: Mapping[str, MachineResult]
    mean: Ranking  # over the machines that have an AUC
    mean_rates: MeanRates
    harmonic_mean: HarmonicMean
    worst: WorstMachine
    rates: Rates  # of the recordings of all machines together
    alarms: Alarms  # of the streams of all machines together
    mean_budget_alarms: BudgetAlarms | None = None  # None without a budget
    views: Mapping[str, ViewAreas] = field(default_factory=dict)  # means over the machines, by name
    max_fpr: float = DEFAULT_MAX_FPR  # highest false positive rate of the pAUCs

    def to_json(self) -> JsonObject:
        """The object that ``--json`` prints."""
        mean = self.mean.to_json()
        areas = ("auc", "auc_low", "auc_high", "pauc", "pauc_low", "pauc_high")
        alarms: JsonObject = {}
        if self.mean_budget_alarms:
            alarms = {"alarms": self.mean_budget_alarms.to_json()}
        return {
            "model": self.model,
            "head": self.head,
            "max_fpr": self.max_fpr,
            "machines": {machine: result.to_json() for machine, result in self.machines.items()},
            "mean": {**{key: mean[key] for key in areas}, **self.mean_rates.to_json(), **alarms},
            "harmonic_mean": self.harmonic_mean.to_json(),
            "worst": self.worst.to_json(),
            "no_network": {
                "auc": self.mean.no_network_auc,
                "pauc": self.mean.no_network_pauc,
                **{key: value for key, value in mean.items() if "difference" in key},
            },
            "views": {name: areas.to_json() for name, areas in self.views.items()},
            "all": {**self.rates.to_json(), **self.alarms.to_json()},
        }
