"""The figures of an evaluation, of each machine and over all of them: what ``--json`` prints and the tables hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from statistics import fmean, harmonic_mean
from typing import Any

import numpy as np

from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.threshold import Threshold
from edgeae.runtime.system.arrays import Float64

from .metrics import UNKNOWN, auc_of, interval, known, resampled_areas, share_interval
from .stream import Heard, alarms

AREAS = ("auc", "pauc")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Score:
    """One test recording."""

    file: str
    machine: str
    label: str
    score: float
    no_network: float
    threshold: float | None  # None for a head that has none
    anomaly: bool | None
    anomaly_1_per_day: (
        bool | None
    )  # above the threshold that the same calibration gives for 1 false alarm a day


@dataclass(frozen=True)
class Tested:
    """What the test of one machine gave."""

    detector: Detector  # of this machine, if it was calibrated
    recordings: list[Recording]
    scores: list[Score]  # of the same recordings
    one_per_day: Threshold | None  # for 1 false alarm a day; None where the head has no threshold
    heard: Heard | None  # None without a threshold or without normal recordings


@dataclass(frozen=True)
class Rates:
    """What the threshold makes of recordings; None without one, or without recordings to say it of.

    Precision and F1 are those of a test with so many anomalies, which a machine hardly ever has.
    """

    n_normal: int
    n_anomaly: int
    false_alarm_rate: float | None  # share of normal recordings above the threshold ...
    false_alarm_rate_low: float | None
    false_alarm_rate_high: float | None  # ... and its interval
    detection_rate: float | None  # share of anomalous recordings above it: the recall
    precision: float | None
    recall: float | None
    f1: float | None
    recall_1_per_day: (
        float | None
    )  # share of anomalous recordings above the threshold for 1 false alarm a day ...
    recall_1_per_day_low: float | None
    recall_1_per_day_high: float | None  # ... and its interval


def rates(scores: Sequence[Score]) -> Rates:
    """Of the recordings of one machine or of several."""
    from sklearn.metrics import precision_recall_fscore_support

    normal = [score.anomaly for score in scores if score.label == "normal"]
    anomalous = [score for score in scores if score.label == "anomaly"]
    judged = [
        (score.label == "anomaly", score.anomaly) for score in scores if score.anomaly is not None
    ]
    quality: list[float | None] = [None, None, None]
    if judged and anomalous:
        found = precision_recall_fscore_support(
            *zip(*judged, strict=True), average="binary", zero_division=np.nan
        )
        quality = [None if np.isnan(value) else float(value) for value in found[:3]]
    precision, recall, f1 = quality
    far = [score.anomaly_1_per_day for score in anomalous]
    low, high = share_interval(sum(map(bool, normal)), len(normal)) if judged else UNKNOWN
    least, most = share_interval(sum(map(bool, far)), len(far)) if judged else UNKNOWN
    return Rates(
        n_normal=len(normal),
        n_anomaly=len(anomalous),
        false_alarm_rate=average(normal),
        false_alarm_rate_low=low,
        false_alarm_rate_high=high,
        detection_rate=recall,
        precision=precision,
        recall=recall,
        f1=f1,
        recall_1_per_day=average(far),
        recall_1_per_day_low=least,
        recall_1_per_day_high=most,
    )


def average(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there."""
    found = list(known(values))
    return fmean(found) if found else None


def areas_of(scores: Sequence[Score]) -> tuple[Figures, Float64 | None]:
    """AUC and pAUC of one machine, see `compared`; and their resamples (RESAMPLES, 2, 2), network and none."""
    labels = [score.label for score in scores]
    both = np.array([[score.score, score.no_network] for score in scores])
    drawn = resampled_areas(both, np.array(labels) == "anomaly", scores[0].machine.encode())
    return compared(auc_of(both[:, 0], labels), auc_of(both[:, 1], labels), drawn), drawn


def compared(
    found: Sequence[float | None], bare: Sequence[float | None], drawn: Float64 | None
) -> Figures:
    """Of AUC and pAUC: the value, that without a network, the difference, and the intervals of value and difference.

    The interval of the difference is a paired one: both detectors are tried on the same resamples.
    """
    figures: Figures = {}
    for k, name in enumerate(AREAS):
        value, without = found[k], bare[k]
        own = paired = UNKNOWN
        if drawn is not None:
            own, paired = interval(drawn[:, 0, k]), interval(drawn[:, 0, k] - drawn[:, 1, k])
        difference = None if value is None or without is None else value - without
        figures |= {
            name: value,
            f"{name}_low": own[0],
            f"{name}_high": own[1],
            f"no_network_{name}": without,
        }
        figures |= {f"{name}_difference": difference}
        figures |= {f"{name}_difference_low": paired[0], f"{name}_difference_high": paired[1]}
    return figures


def _mean_areas(machines: Mapping[str, Figures], drawn: Iterable[Float64 | None]) -> Figures:
    """The mean over the machines that have both labels, as `compared`; resampled within each machine."""
    rows = [figures for figures in machines.values() if figures["auc"] is not None]
    found, bare = (
        [average(row[kind + name] for row in rows) for name in AREAS]
        for kind in ("", "no_network_")
    )
    resamples = [each for each in drawn if each is not None]
    complete = rows and len(resamples) == len(rows)
    return compared(found, bare, np.mean(resamples, axis=0) if complete else None)


def as_json(model: str, head: str, tested: Mapping[str, Tested]) -> Figures:
    """The object that ``--json`` prints; ``all`` is of the recordings of all machines together."""
    areas = {machine: areas_of(found.scores) for machine, found in tested.items()}
    machines = {
        machine: {
            **areas[machine][0],
            **asdict(rates(found.scores)),
            "extrapolated_1_per_day": found.one_per_day.extrapolated if found.one_per_day else None,
            **asdict(alarms(found.heard)),
        }
        for machine, found in tested.items()
    }
    over_all = _mean_areas(machines, (drawn for _, drawn in areas.values()))
    aucs = {
        machine: figures["auc"]
        for machine, figures in machines.items()
        if figures["auc"] is not None
    }
    worst = min(aucs, key=lambda machine: aucs[machine]) if aucs else None
    scores = [score for found in tested.values() for score in found.scores]
    heard = list(filter(None, (found.heard for found in tested.values())))
    shares = ("false_alarm_rate", "precision", "recall", "f1", "recall_1_per_day")
    return {
        "model": model,
        "head": head,
        "machines": machines,
        "mean": {
            **{
                f"{name}{end}": over_all[f"{name}{end}"]
                for name in AREAS
                for end in ("", "_low", "_high")
            },
            **{name: average(figures[name] for figures in machines.values()) for name in shares},
        },
        "harmonic_mean": {
            name: _harmonic(figures[name] for figures in machines.values()) for name in AREAS
        },
        "worst": {"machine": worst, "auc": aucs.get(worst) if worst else None},
        "no_network": {
            **{name: over_all[f"no_network_{name}"] for name in AREAS},
            **{key: value for key, value in over_all.items() if "difference" in key},
        },
        "all": {**asdict(rates(scores)), **asdict(alarms(reduce(add, heard) if heard else None))},
    }


def _harmonic(values: Iterable[float | None]) -> float | None:
    found = list(known(values))
    return harmonic_mean(found) if found else None
