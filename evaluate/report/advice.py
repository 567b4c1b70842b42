"""What to do next, from the figures of an evaluation: one sentence each, the most urgent first."""

from collections.abc import Iterator

from ..results.metrics import FEWEST
from ..results.summary import Figures

WIDE = 0.1  # of the interval of an AUC, from which more test recordings are the first thing to get
POOR, CHANCE = 0.9, 0.5  # AUC
APART = 0.05  # of the AUC of the worst machine from the mean
OFTEN = 0.05  # share of normal recordings above the threshold
DEAF = 0.5  # share of the faults found, below which the threshold hides what the scores show


def advice(summary: Figures, calibration_clips: int | None, machine: str | None) -> list[str]:
    """Sentences for the reader; in each, a command stands between backticks. machine: that of the artifact."""
    found = [
        *_test(summary),
        *_calibration(calibration_clips, machine),
        *_network(summary),
        *_threshold(summary),
    ]
    return found or [
        "Nothing here stands against taking it to the machine: `edgeae calibrate MODEL --device hw:1` where it will "
        "listen, then `edgeae run`."
    ]


def _test(summary: Figures) -> Iterator[str]:
    mean = summary["mean"]
    machines = [
        rates for rates in summary["machines"].values() if rates["n_normal"] and rates["n_anomaly"]
    ]
    if mean["auc"] is None:
        yield "Record normal and anomalous sound of the same machine into test/; five of each are the least."
    elif min(min(rates["n_normal"], rates["n_anomaly"]) for rates in machines) < FEWEST:
        yield "How sure the figures are cannot be told: record at least five normal and five anomalous of each machine."
    elif mean["auc"] < CHANCE:
        yield (
            "Faults sound no less normal than normal sound does: check the labels, and whether the normal recordings "
            "of the test were made like those that the model knows."
        )
    elif mean["auc"] == 1:
        yield "Every fault is told apart on every machine; fainter ones, recorded as well, would show the limit."
    elif mean["auc_low"] is not None and mean["auc_high"] - mean["auc_low"] > WIDE:
        yield (
            f"Record more to test with: the AUC is only known to lie between {mean['auc_low']:.2f} and "
            f"{mean['auc_high']:.2f}."
        )


def _calibration(clips: int | None, machine: str | None) -> Iterator[str]:
    if clips is None and machine is None:
        yield (
            "The model is calibrated to no machine. Calibrate it on a few normal clips of each and look again: "
            "`edgeae evaluate MODEL DATA --calibration-clips 5`."
        )


def _network(summary: Figures) -> Iterator[str]:
    mean, worst, bare = summary["mean"]["auc"], summary["worst"], summary["no_network"]
    if mean is None:
        return
    high, low = bare["auc_difference_high"], bare["auc_difference_low"]
    if high is not None and high < 0:
        yield (
            "The network makes it worse than none. Train on sound of this kind of machine, for longer or with another "
            "configuration: `edgeae train DATA -c cnn2d`."
        )
    elif CHANCE <= mean < POOR and (low is None or low <= 0):
        yield (
            "The network adds nothing that shows yet. More normal recordings of more machines of this kind help most, "
            "then a microphone nearer to the machine: `edgeae inspect DATA` tells what to mend."
        )
    if len(summary["machines"]) > 1 and mean - worst["auc"] > APART:
        yield f"{worst['machine']} is told apart worst: listen to its examples below, and compare how it was recorded."


def _threshold(summary: Figures) -> Iterator[str]:
    rates, mean = summary["all"], summary["mean"]["auc"]
    alarms, recall = rates["false_alarm_rate"], rates["recall"]
    if alarms is not None and alarms > OFTEN:
        yield (
            f"{alarms:.0%} of the normal recordings are above the threshold: calibrate on more clips, of other days "
            f"and loads (`edgeae calibrate --add`), or ask for fewer false alarms (`--false-alarms 1/month`)."
        )
    if rates["false_alarms"] and alarms is not None and alarms <= OFTEN:
        rung = (
            "1 false alarm"
            if rates["false_alarms"] == 1
            else f"{rates['false_alarms']} false alarms"
        )
        yield (
            f"Heard one after another, the normal recordings raised {rung} in {rates['normal_hours']:.2g} h. Where "
            f"they differ in load or place the joints ring: let it listen to an hour of the running machine before you "
            f"trust the budget."
        )
    if recall is not None and recall < DEAF and mean is not None and mean >= POOR:
        yield (
            f"The scores rank well, but the threshold lets {1 - recall:.0%} of the faults pass: allow more false "
            f"alarms (`edgeae calibrate --false-alarms 1/hour`), or calibrate on more clips."
        )
