"""What to do next, from the figures of an evaluation: one sentence each, the most urgent first."""

from collections.abc import Iterator

from ..results.evaluation_result import EvaluationResult
from ..results.metrics import MIN_RECORDINGS

WIDE = 0.1  # of the interval of an AUC, from which more test recordings are the first thing to get
POOR, CHANCE = 0.9, 0.5  # AUC
APART = 0.05  # of the AUC of the worst machine from the mean
OFTEN = 0.05  # share of normal recordings above the threshold
DEAF = 0.5  # share of the faults found, below which the threshold hides what the scores show


def advice(
    result: EvaluationResult, calibration_clips: int | None, machine: str | None
) -> list[str]:
    """Sentences for the reader; in each, a command stands between backticks. machine: that of the artifact."""
    found = [
        *_test(result),
        *_calibration(calibration_clips, machine),
        *_network(result),
        *_threshold(result),
    ]
    return found or [
        "Nothing here stands against taking it to the machine: `edgeae calibrate MODEL --device hw:1` where it will "
        "listen, then `edgeae run`."
    ]


def _test(result: EvaluationResult) -> Iterator[str]:
    auc = result.mean.auc
    rates = [machine.rates for machine in result.machines.values()]
    counts = [min(item.n_normal or 0, item.n_anomaly or 0) for item in rates]
    if auc.value is None:
        yield "Record normal and anomalous sound of the same machine into test/; five of each are the least."
    elif min(filter(None, counts)) < MIN_RECORDINGS:
        yield "How sure the figures are cannot be told: record at least five normal and five anomalous of each machine."
    elif auc.value < CHANCE:
        yield (
            "Faults sound no less normal than normal sound does: check the labels, and whether the normal recordings "
            "of the test were made like those that the model knows."
        )
    elif auc.value == 1:
        yield "Every fault is told apart on every machine; fainter ones, recorded as well, would show the limit."
    elif auc.low is not None and auc.high is not None and auc.high - auc.low > WIDE:
        yield (
            f"Record more to test with: the AUC is only known to lie between {auc.low:.2f} and "
            f"{auc.high:.2f}."
        )


def _calibration(clips: int | None, machine: str | None) -> Iterator[str]:
    if clips is None and machine is None:
        yield (
            "The model is calibrated to no machine. Calibrate it on a few normal clips of each and look again: "
            "`edgeae evaluate MODEL DATA --calibration-clips 5`."
        )


def _network(result: EvaluationResult) -> Iterator[str]:
    mean = result.mean.auc.value
    worst = result.worst
    difference = result.mean.auc_difference
    if mean is None:
        return
    if difference.high is not None and difference.high < 0:
        yield (
            "The network makes it worse than none. Train on sound of this kind of machine, for longer or with another "
            "configuration: `edgeae train DATA -c cnn2d`."
        )
    elif CHANCE <= mean < POOR and (difference.low is None or difference.low <= 0):
        yield (
            "The network adds nothing that shows yet. More normal recordings of more machines of this kind help most, "
            "then a microphone nearer to the machine: `edgeae inspect DATA` tells what to mend."
        )
    if len(result.machines) > 1 and worst.auc is not None and mean - worst.auc > APART:
        yield f"{worst.machine} is told apart worst: listen to its examples below, and compare how it was recorded."


def _threshold(result: EvaluationResult) -> Iterator[str]:
    mean = result.mean.auc.value
    stream = result.alarms
    alarms = result.rates.false_alarm_rate.value
    recall = result.rates.recall
    if alarms is not None and alarms > OFTEN:
        yield (
            f"{alarms:.0%} of the normal recordings are above the threshold: calibrate on more clips, of other days "
            f"and loads (`edgeae calibrate --add`), or ask for fewer false alarms (`--false-alarms 1/month`)."
        )
    if stream.false_alarms and alarms is not None and alarms <= OFTEN:
        n_alarms = stream.false_alarms
        counted = "1 false alarm" if n_alarms == 1 else f"{n_alarms} false alarms"
        yield (
            f"Heard one after another, the normal recordings raised {counted} in {stream.normal_hours:.2g} h. Where "
            f"they differ in load or place the joints ring: let it listen to an hour of the running machine before you "
            f"trust the budget."
        )
    if recall is not None and recall < DEAF and mean is not None and mean >= POOR:
        yield (
            f"The scores rank well, but the threshold lets {1 - recall:.0%} of the faults pass: allow more false "
            f"alarms (`edgeae calibrate --false-alarms 1/hour`), or calibrate on more clips."
        )
