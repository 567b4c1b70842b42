"""What to do next, from the metrics of an evaluation: one sentence each, the most urgent first."""

from collections.abc import Iterator, Sequence

import numpy as np

from edgeae.runtime.scoring.views import IDENTITY

from ..results.budget_effects import BudgetEffect, fewer_false_alarms, more_found
from ..results.evaluation_result import EvaluationResult
from ..results.learning_curve import LearningCurve
from ..results.metrics import MIN_RECORDINGS

MAX_AUC_INTERVAL = 0.1  # width; with a wider one, more test recordings come first
MIN_GOOD_AUC = 0.9
CHANCE_AUC = 0.5
MAX_AUC_BELOW_MEAN = 0.05  # of the worst machine
MAX_FALSE_ALARM_RATE = 0.05  # share of normal recordings above the threshold
MIN_AUC_GAIN = 0.02  # by more calibration clips
MIN_FOUND = 0.9  # share of faults that the alarms report
MIN_RECALL = 0.5  # with a lower one, the threshold hides what the scores show


def advice(
    result: EvaluationResult,
    calibration_clips: int | None,
    machine: str | None,
    effects: Sequence[BudgetEffect] = (),
    curve: LearningCurve | None = None,
) -> list[str]:
    """Return sentences for the reader; in each, a command stands between backticks.

    What a change of the detector would bring is only stated where it was computed.

    machine: the machine that the artifact is calibrated to, None for none
    effects: of other budgets on these recordings
    curve: the AUC over the number of calibration clips
    """
    sentences = [
        *_about_test(result),
        *_about_calibration(calibration_clips, machine),
        *_about_clips(curve, calibration_clips),
        *_about_network(result),
        *_about_threshold(result, effects),
        *_about_alarms(result),
    ]
    return sentences or [
        "Nothing here speaks against using the model: run `edgeae calibrate MODEL --device hw:1` "
        "at the machine, then `edgeae run`."
    ]


def _about_test(result: EvaluationResult) -> Iterator[str]:
    auc = result.mean.auc
    rates = [machine.rates for machine in result.machines.values()]
    counts = [min(item.n_normal or 0, item.n_anomaly or 0) for item in rates]
    if auc.value is None:
        yield (
            "Record normal and anomalous sound of the same machine into test/, at least five "
            "recordings of each."
        )
    elif min(filter(None, counts)) < MIN_RECORDINGS:
        yield (
            "There are too few recordings for intervals: record at least five normal and five "
            "anomalous ones of each machine."
        )
    elif auc.value < CHANCE_AUC:
        yield (
            "Faults score lower than normal sound: check the labels, and whether the normal "
            "recordings of the test were made like those of the training."
        )
    elif auc.value == 1:
        yield (
            "Every fault scores higher than all normal sound; record fainter ones too, to find the "
            "limit."
        )
    elif auc.low is not None and auc.high is not None and auc.high - auc.low > MAX_AUC_INTERVAL:
        yield (
            f"Record more to test with: the AUC is only known to be between {auc.low:.2f} and "
            f"{auc.high:.2f}."
        )


def _about_calibration(calibration_clips: int | None, machine: str | None) -> Iterator[str]:
    if calibration_clips is None and machine is None:
        yield (
            "The model is calibrated to no machine. To measure what a calibration changes: "
            "`edgeae evaluate MODEL DATA --calibration-clips 5`."
        )


def _about_clips(curve: LearningCurve | None, calibration_clips: int | None) -> Iterator[str]:
    """If the learning curve shows that more clips are better."""
    if curve is None or not calibration_clips or calibration_clips < curve.n_clips[0]:
        return
    medians = [float(np.median(aucs)) for aucs in curve.aucs]
    now = max(k for k, size in enumerate(curve.n_clips) if size <= calibration_clips)
    best = int(np.argmax(medians))
    if best > now and medians[best] - medians[now] >= MIN_AUC_GAIN:
        yield (
            f"Calibrate on more: with {curve.n_clips[best]} clips the AUC is {medians[best]:.3f}, "
            f"with {curve.n_clips[now]} it is {medians[now]:.3f} "
            f"(`--calibration-clips {curve.n_clips[best]}`)."
        )


def _about_network(result: EvaluationResult) -> Iterator[str]:
    mean = result.mean.auc.value
    worst = result.worst
    difference = result.mean.auc_difference
    if mean is None:
        return
    if difference.high is not None and difference.high < 0:
        without_identity = ""
        if IDENTITY in result.views:
            without_identity = (
                ", or without the identity embedding: `edgeae train DATA --set model.embedding=0 "
                "--set training.learning_rate=0.005`"
            )
        yield (
            f"The model is worse than one without the network: its AUC is {mean:.3f} instead of "
            f"{_number(result.mean.no_network_auc)}. Train on more normal sound{without_identity}."
        )
    elif CHANCE_AUC <= mean < MIN_GOOD_AUC and (difference.low is None or difference.low <= 0):
        yield (
            f"The network adds nothing measurable: the AUC without it is "
            f"{_number(result.mean.no_network_auc)}. `edgeae inspect DATA` lists problems of the "
            f"recordings."
        )
    if len(result.machines) > 1 and worst.auc is not None and mean - worst.auc > MAX_AUC_BELOW_MEAN:
        yield (
            f"{worst.machine} has the lowest AUC: listen to its examples below, and compare how it "
            f"was recorded."
        )


def _about_threshold(result: EvaluationResult, effects: Sequence[BudgetEffect]) -> Iterator[str]:
    false_alarm_rate = result.rates.false_alarm_rate.value
    if false_alarm_rate is not None and false_alarm_rate > MAX_FALSE_ALARM_RATE:
        fewer = fewer_false_alarms(effects, false_alarm_rate, MAX_FALSE_ALARM_RATE)
        yield _many_false_alarms(false_alarm_rate, result.rates.recall, fewer)
    recall = result.rates.recall
    mean = result.mean.auc.value
    if recall is not None and recall < MIN_RECALL and mean is not None and mean >= MIN_GOOD_AUC:
        yield from _low_recall(recall, result, effects)


def _many_false_alarms(rate: float, recall: float | None, fewer: BudgetEffect | None) -> str:
    start = f"{rate:.0%} of the normal recordings are above the threshold"
    if fewer is None:
        return f"{start}; they differ from the sound of the calibration: listen to them below."
    faults_found = ""
    if recall is not None and fewer.recall is not None:
        faults_found = f", and {fewer.recall:.0%} of the faults instead of {recall:.0%}"
    return (
        f"{start}. With `--false-alarms {fewer.budget}` it would be "
        f"{fewer.false_alarm_rate:.0%}{faults_found}."
    )


def _low_recall(
    recall: float, result: EvaluationResult, effects: Sequence[BudgetEffect]
) -> Iterator[str]:
    """Nothing if the alarms, which rest on minutes, find the faults."""
    alarms = result.mean_budget_alarms
    share_found = alarms.found_within_s[max(alarms.found_within_s)] if alarms else None
    if share_found is not None and share_found >= MIN_FOUND:
        return
    start = f"The scores rank well, but the threshold misses {1 - recall:.0%} of the faults"
    more = more_found(effects, recall, MAX_FALSE_ALARM_RATE)
    if more is not None and more.recall is not None:
        yield (
            f"{start}: with `--false-alarms {more.budget}` it would miss {1 - more.recall:.0%}, "
            f"and {more.false_alarm_rate:.0%} of the normal recordings would be above it."
        )
    elif alarms is None:
        yield (
            f"{start} in single recordings. An alarm rests on minutes: to measure how soon it "
            f"reports a fault that lasts, add `--false-alarms 1/day`."
        )
    else:
        yield f"{start}, and a more frequent budget would not change that."


def _about_alarms(result: EvaluationResult) -> Iterator[str]:
    """If normal sound in long streams raises alarms."""
    n_alarms = result.alarms.false_alarms
    rate = result.rates.false_alarm_rate.value
    if not n_alarms or rate is None or rate > MAX_FALSE_ALARM_RATE:
        return
    alarms = "1 false alarm" if n_alarms == 1 else f"{n_alarms} false alarms"
    yield (
        f"Played as long streams, the normal recordings cause {alarms} in "
        f"{result.alarms.normal_hours:.2g} h. Recordings of other loads or places follow each "
        f"other there: run the detector for an hour at the running machine before you trust the "
        f"budget."
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
