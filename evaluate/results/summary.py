"""From the tests of the machines to the metrics of an evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, harmonic_mean

import numpy as np

from edgeae.runtime.system.arrays import Float64

from ..streams.simulation import sum_counts
from .alarm_metrics import alarm_metrics, budget_alarms, mean_budget_alarms
from .evaluation_result import (
    DomainResult,
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
from .metrics import auc_of, interval, mean, resampled_areas, share_interval, without_none
from .recording_scores import MachineTest, RecordingScore

# The areas (AUC, pAUC) of one detector; None for recordings of one label only.
Areas = tuple[float | None, float | None]


def summarise(
    model: str, head: str, tests: Mapping[str, MachineTest], budget: str | None = None
) -> EvaluationResult:
    """The metrics of each machine, their means, and those of all recordings together.

    tests: of each machine, by name
    budget: of false alarms, that the alarms are reported for; None: they are not
    """
    resampled = {machine: resamples_of(test) for machine, test in tests.items()}
    machines = {
        machine: machine_result(test, resampled[machine], budget) for machine, test in tests.items()
    }
    scores = [score for test in tests.values() for score in test.scores]
    streams = [test.stream for test in tests.values() if test.stream]
    rankings = [result.ranking for result in machines.values()]
    return EvaluationResult(
        model=model,
        head=head,
        machines=machines,
        mean=_mean_ranking(rankings, list(resampled.values())),
        mean_rates=_mean_rates([result.rates for result in machines.values()]),
        harmonic_mean=HarmonicMean(
            _harmonic_mean(ranking.auc.value for ranking in rankings),
            _harmonic_mean(ranking.pauc.value for ranking in rankings),
            _challenge_score(machines.values()),
        ),
        worst=WorstMachine.of(machines),
        rates=rates(scores),
        alarms=alarm_metrics(sum_counts(streams) if streams else None),
        mean_budget_alarms=mean_budget_alarms(budget, streams) if budget and streams else None,
        views=_mean_areas([result.views for result in machines.values()]),
        max_fpr=next(iter(tests.values())).max_fpr,
    )


def machine_result(
    test: MachineTest, resampled: Float64 | None, budget: str | None = None
) -> MachineResult:
    """The metrics of one machine.

    resampled: see `resamples_of`
    budget: of false alarms, that the alarms are reported for; None: they are not
    """
    labels = [score.label for score in test.scores]
    network, baseline = (auc_of(scores, labels, test.max_fpr) for scores in test.both_scores.T)
    return MachineResult(
        ranking=_ranking(network, baseline, resampled),
        rates=rates(test.scores),
        extrapolated_1_per_day=test.one_per_day.extrapolated if test.one_per_day else None,
        alarms=alarm_metrics(test.stream),
        budget_alarms=budget_alarms(budget, test.stream) if budget and test.stream else None,
        views={
            view: ViewAreas(
                *auc_of([score.views[view] for score in test.scores], labels, test.max_fpr)
            )
            for view in test.scores[0].views
        },
        domains=_domains(test),
    )


def _mean_areas(machines: Sequence[Mapping[str, ViewAreas]]) -> dict[str, ViewAreas]:
    """The means over the machines that have an AUC, of each view."""
    means: dict[str, ViewAreas] = {}
    for view in machines[0]:
        areas = [machine[view] for machine in machines if view in machine]
        means[view] = ViewAreas(mean(each.auc for each in areas), mean(each.pauc for each in areas))
    return means


def _domains(test: MachineTest) -> dict[str, DomainResult]:
    """The areas of each domain; empty unless the recordings are of two.

    As in the DCASE challenge since 2022, the normal recordings of a domain are compared with the
    faulty ones of both: one detector watches the machine, whatever domain its sound is of.
    """
    of_domain: dict[str, list[RecordingScore]] = {}
    for recording, score in zip(test.recordings, test.scores, strict=True):
        if recording.domain:
            of_domain.setdefault(recording.domain, []).append(score)
    if len(of_domain) < 2:
        return {}
    faulty = [score for score in test.scores if score.label == "anomaly"]
    results: dict[str, DomainResult] = {}
    for domain, own in sorted(of_domain.items()):
        scores = [*(score for score in own if score.label != "anomaly"), *faulty]
        labels = [score.label for score in scores]
        auc, pauc = auc_of([score.score for score in scores], labels, test.max_fpr)
        n_anomaly = labels.count("anomaly")
        results[domain] = DomainResult(auc, pauc, len(labels) - n_anomaly, n_anomaly)
    return results


def _challenge_score(machines: Iterable[MachineResult]) -> float | None:
    """The official score of the DCASE challenge since 2022; None if no machine has two domains.

    The harmonic mean of the AUC of each domain of each machine and of the pAUC of each machine.
    """
    areas: list[float | None] = []
    for machine in machines:
        if machine.domains:
            areas.extend(domain.auc for domain in machine.domains.values())
            areas.append(machine.ranking.pauc.value)
    return _harmonic_mean(areas)


def resamples_of(test: MachineTest) -> Float64 | None:
    """(N_RESAMPLES, 2, 2) resampled areas, with the network and without; AUC and pAUC.

    None for too few recordings.
    """
    seed = test.scores[0].machine.encode()
    return resampled_areas(test.both_scores, test.anomalous, seed, test.max_fpr)


def _ranking(network: Areas, baseline: Areas, resampled: Float64 | None) -> Ranking:
    """Values, differences and intervals of AUC and pAUC.

    The interval of a difference is a paired one: both detectors are tested on the same resamples.

    network, baseline: the areas with the network and without
    resampled: (N_RESAMPLES, 2, 2), network and baseline, AUC and pAUC
    """
    estimates = []
    differences = []
    for k in range(2):
        estimate = Estimate(network[k])
        difference = Estimate(_difference(network[k], baseline[k]))
        if resampled is not None:
            paired = resampled[:, 0, k] - resampled[:, 1, k]
            estimate = Estimate(estimate.value, *interval(resampled[:, 0, k]))
            difference = Estimate(difference.value, *interval(paired))
        estimates.append(estimate)
        differences.append(difference)
    return Ranking(
        auc=estimates[0],
        no_network_auc=baseline[0],
        auc_difference=differences[0],
        pauc=estimates[1],
        no_network_pauc=baseline[1],
        pauc_difference=differences[1],
    )


def _difference(network: float | None, baseline: float | None) -> float | None:
    return None if network is None or baseline is None else network - baseline


def _mean_ranking(rankings: Sequence[Ranking], resampled: Sequence[Float64 | None]) -> Ranking:
    """The mean over the machines that have both labels; resampled within each machine."""
    able = [ranking for ranking in rankings if ranking.auc.value is not None]
    network = (
        mean(ranking.auc.value for ranking in able),
        mean(ranking.pauc.value for ranking in able),
    )
    baseline = (
        mean(ranking.no_network_auc for ranking in able),
        mean(ranking.no_network_pauc for ranking in able),
    )
    complete = [resamples for resamples in resampled if resamples is not None]
    if not able or len(complete) < len(able):
        return _ranking(network, baseline, None)
    return _ranking(network, baseline, np.mean(complete, axis=0))


def rates(scores: Sequence[RecordingScore]) -> Rates:
    """How many recordings are above the threshold, of one machine or of several."""
    normal = [score for score in scores if score.label == "normal"]
    anomalous = [score for score in scores if score.label == "anomaly"]
    precision, recall, f1 = _precision_recall_f1(scores)
    return Rates(
        n_normal=len(normal),
        n_anomaly=len(anomalous),
        false_alarm_rate=_share([score.anomaly for score in normal]),
        detection_rate=recall,
        precision=precision,
        recall=recall,
        f1=f1,
        recall_1_per_day=_share([score.anomaly_1_per_day for score in anomalous]),
        n_not_judged=sum(score.not_judged for score in scores),
    )


def _share(above: Sequence[bool | None]) -> Estimate:
    """The share of recordings above a limit; unknown without a limit."""
    flags = list(without_none(above))
    if not flags:
        return Estimate()
    return Estimate(fmean(flags), *share_interval(int(sum(flags)), len(flags)))


def _precision_recall_f1(
    scores: Sequence[RecordingScore],
) -> tuple[float | None, float | None, float | None]:
    """Those of scikit-learn; None without a threshold, without anomalies, or where undefined."""
    from sklearn.metrics import precision_recall_fscore_support

    with_limit = [score for score in scores if score.anomaly is not None]
    truth = [score.label == "anomaly" for score in with_limit]
    if not any(truth):
        return None, None, None
    above = [score.anomaly for score in with_limit]
    values = precision_recall_fscore_support(truth, above, average="binary", zero_division=np.nan)
    precision, recall, f1 = (None if np.isnan(value) else float(value) for value in values[:3])
    return precision, recall, f1


def _mean_rates(machines: Sequence[Rates]) -> MeanRates:
    return MeanRates(
        false_alarm_rate=mean(item.false_alarm_rate.value for item in machines),
        precision=mean(item.precision for item in machines),
        recall=mean(item.recall for item in machines),
        f1=mean(item.f1 for item in machines),
        recall_1_per_day=mean(item.recall_1_per_day.value for item in machines),
    )


def _harmonic_mean(values: Iterable[float | None]) -> float | None:
    present = list(without_none(values))
    return harmonic_mean(present) if present else None
