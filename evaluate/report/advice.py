"""What to do next, from the metrics of an evaluation: one sentence each, the most urgent first."""

from collections.abc import Iterator

from ..results.evaluation_result import EvaluationResult
from ..results.metrics import MIN_RECORDINGS

MAX_AUC_INTERVAL = 0.1  # width; with a wider one, more test recordings come first
MIN_GOOD_AUC = 0.9
CHANCE_AUC = 0.5
MAX_AUC_BELOW_MEAN = 0.05  # of the worst machine
MAX_FALSE_ALARM_RATE = 0.05  # share of normal recordings above the threshold
MIN_RECALL = 0.5  # with a lower one, the threshold hides what the scores show


def advice(
    result: EvaluationResult, calibration_clips: int | None, machine: str | None
) -> list[str]:
    """Return sentences for the reader; in each, a command stands between backticks.

    machine: the machine that the artifact is calibrated to, None for none
    """
    sentences = [
        *_about_test(result),
        *_about_calibration(calibration_clips, machine),
        *_about_network(result),
        *_about_threshold(result),
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
            "The model is calibrated to no machine. Calibrate it on a few normal clips of each and "
            "evaluate again: `edgeae evaluate MODEL DATA --calibration-clips 5`."
        )


def _about_network(result: EvaluationResult) -> Iterator[str]:
    mean = result.mean.auc.value
    worst = result.worst
    difference = result.mean.auc_difference
    if mean is None:
        return
    if difference.high is not None and difference.high < 0:
        yield (
            "The model is worse than one without the network. Train on sound of this kind of "
            "machine, for longer or with another configuration: `edgeae train DATA -c cnn2d`."
        )
    elif CHANCE_AUC <= mean < MIN_GOOD_AUC and (difference.low is None or difference.low <= 0):
        yield (
            "The network adds nothing measurable yet. More normal recordings of more machines of "
            "this kind help most, then a microphone nearer to the machine: `edgeae inspect DATA` "
            "lists what to fix."
        )
    if len(result.machines) > 1 and worst.auc is not None and mean - worst.auc > MAX_AUC_BELOW_MEAN:
        yield (
            f"{worst.machine} has the lowest AUC: listen to its examples below, and compare how it "
            f"was recorded."
        )


def _about_threshold(result: EvaluationResult) -> Iterator[str]:
    false_alarm_rate = result.rates.false_alarm_rate.value
    if false_alarm_rate is not None and false_alarm_rate > MAX_FALSE_ALARM_RATE:
        yield (
            f"{false_alarm_rate:.0%} of the normal recordings are above the threshold: calibrate "
            f"on more clips, of other days and loads (`edgeae calibrate --add`), or allow fewer "
            f"false alarms (`--false-alarms 1/month`)."
        )
    n_alarms = result.alarms.false_alarms
    if n_alarms and false_alarm_rate is not None and false_alarm_rate <= MAX_FALSE_ALARM_RATE:
        alarms = "1 false alarm" if n_alarms == 1 else f"{n_alarms} false alarms"
        yield (
            f"Played one after another, the normal recordings cause {alarms} in "
            f"{result.alarms.normal_hours:.2g} h. Where they differ in load or place, their joints "
            f"can cause alarms: run the detector for an hour at the running machine before you "
            f"trust the budget."
        )
    recall = result.rates.recall
    mean = result.mean.auc.value
    if recall is not None and recall < MIN_RECALL and mean is not None and mean >= MIN_GOOD_AUC:
        yield (
            f"The scores rank well, but the threshold misses {1 - recall:.0%} of the faults: allow "
            f"more false alarms (`edgeae calibrate --false-alarms 1/hour`), or calibrate on more "
            f"clips."
        )
