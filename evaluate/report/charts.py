"""The charts of an evaluation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from edgeae.runtime.scoring.sensitivity_table import BandChange, strength_text
from edgeae.runtime.system.arrays import Float64

from ..pages.axes import (
    Box,
    Colour,
    new_axes,
    set_share_axes,
    set_tick_labels,
    set_x_axis,
    set_y_axis,
)
from ..pages.chart import Chart, KeyEntry, to_svg
from ..pages.marks import (
    draw_area,
    draw_dots,
    draw_histogram,
    draw_line,
    draw_reference,
    draw_ring,
    draw_rule,
)
from ..results.alarm_metrics import FOUND_WITHIN_SECONDS, found_within
from ..results.compare import ModelComparison
from ..results.learning_curve import LearningCurve
from ..results.metrics import CURVE_GRID, auc_of, curves, resampled_curves
from ..results.recording_scores import MachineTest

N_BINS = 30
MAX_DOTS = 1000  # of one label
HEADROOM = 1.15  # of the axis, above the highest bar
MIN_DELAY_SECONDS = 10  # of the axis of delays; shorter ones are drawn there
DELAY_TICKS = {10: "10 s", 60: "1 min", 300: "5 min", 900: "15 min"}
COLOURS = {"normal": Colour.NORMAL, "anomaly": Colour.ANOMALY}
NETWORK_KEY = KeyEntry("network", Colour.NETWORK)
BASELINE_KEY = KeyEntry("without", Colour.BASELINE)


def _columns(test: MachineTest) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """(n,) scores, scores without the network, and which recordings are anomalous."""
    scores = test.both_scores
    return scores[:, 0], scores[:, 1], test.anomalous


def roc_chart(machine: str, test: MachineTest) -> Chart:
    """Return the chart of recall over false positive rate, with its interval and the baseline."""
    scores, baseline_scores, anomalous = _columns(test)
    auc, _ = auc_of(scores, np.where(anomalous, "anomaly", "normal"))
    interval = resampled_curves(scores, anomalous, machine.encode())
    axes = new_axes()
    set_share_axes(axes, "false positive rate", "true positive rate")
    draw_reference(axes, [0, 1], [0, 1])
    if interval is not None:
        draw_area(axes, CURVE_GRID, interval[0, 0], interval[1, 0], Colour.NETWORK)
    false_rate, true_rate, _ = roc_curve(anomalous, baseline_scores)
    draw_line(axes, false_rate, true_rate, Colour.BASELINE, dashed=True)
    false_rate, true_rate, _ = roc_curve(anomalous, scores)
    draw_line(axes, false_rate, true_rate, Colour.NETWORK)
    svg = to_svg(axes, f"ROC curve of {machine}: AUC {auc:.3f}")
    network_key = KeyEntry(f"network, AUC {auc:.3f}", Colour.NETWORK)
    return Chart(f"{machine}: ROC", svg, (network_key, BASELINE_KEY))


def precision_chart(machine: str, test: MachineTest) -> Chart:
    """Return the chart of precision over recall, at the share of anomalies in this test."""
    scores, baseline_scores, anomalous = _columns(test)
    chance = float(anomalous.mean())
    once = np.ones((1, len(anomalous)), np.int64)
    interval = resampled_curves(scores, anomalous, machine.encode())
    axes = new_axes()
    set_share_axes(axes, "recall", "precision")
    if interval is not None:
        draw_area(axes, CURVE_GRID, interval[0, 1], interval[1, 1], Colour.NETWORK)
    draw_reference(axes, [0, 1], [chance, chance])
    baseline_precision = curves(baseline_scores, anomalous, once)[0, 1]
    draw_line(axes, CURVE_GRID, baseline_precision, Colour.BASELINE, dashed=True)
    draw_line(axes, CURVE_GRID, curves(scores, anomalous, once)[0, 1], Colour.NETWORK)
    svg = to_svg(axes, f"Precision over recall of {machine}; chance is {chance:.2f}")
    chance_key = KeyEntry(f"chance {chance:.2f}", Colour.SOFT)
    return Chart(f"{machine}: precision and recall", svg, (NETWORK_KEY, BASELINE_KEY, chance_key))


def scores_chart(machine: str, test: MachineTest) -> Chart:
    """Return histograms of the scores of normal and anomalous recordings, and the threshold."""
    scores, _, anomalous = _columns(test)
    threshold = test.scores[0].threshold
    shown = scores if threshold is None else np.append(scores, threshold)
    edges = np.linspace(shown.min(), max(shown.max(), shown.min() + 1e-6), N_BINS + 1)
    margin = float(edges[-1] - edges[0]) / 50
    counts = {
        label: np.histogram(scores[mask], edges)[0]
        for label, mask in (("normal", ~anomalous), ("anomaly", anomalous))
        if mask.any()
    }
    highest = max(int(bars.max()) for bars in counts.values())
    axes = new_axes()
    set_x_axis(axes, "score (ln of a distance)", edges[0] - margin, edges[-1] + margin)
    set_y_axis(axes, "recordings", 0, highest * HEADROOM, whole_numbers=True)
    for label, bars in counts.items():
        draw_histogram(axes, edges, bars, COLOURS[label])
    if threshold is not None:
        draw_rule(axes, threshold, "threshold")
    rule = "without a threshold" if threshold is None else f"the threshold is {threshold:.2f}"
    svg = to_svg(
        axes,
        f"Scores of {machine}: {(~anomalous).sum()} normal and {anomalous.sum()} anomalous "
        f"recordings, {rule}",
    )
    key = tuple(KeyEntry(label, COLOURS[label]) for label in counts)
    return Chart(f"{machine}: scores", svg, key)


def learning_chart(curve: LearningCurve, calibration_clips: int, auc: float) -> Chart:
    """Return the chart of AUC over the number of calibration clips, on a logarithmic axis.

    A ring marks this evaluation, at ``calibration_clips`` and ``auc``, where the axis reaches it.
    """
    places = np.log2(curve.n_clips)
    lowest = np.array([aucs.min() for aucs in curve.aucs])
    median = np.array([np.median(aucs) for aucs in curve.aucs])
    highest = np.array([aucs.max() for aucs in curve.aucs])
    bottom = max(0.0, np.floor(min(lowest.min(), auc) * 20 - 0.5) / 20)
    axes = new_axes()
    set_x_axis(axes, "calibration clips", -0.2, float(places[-1]) + 0.2)
    set_tick_labels(axes.xaxis, dict(zip(places, map(str, curve.n_clips), strict=True)))
    set_y_axis(axes, "AUC", bottom, 1)
    draw_area(axes, places, lowest, highest, Colour.NETWORK)
    draw_line(axes, places, median, Colour.NETWORK)
    draw_dots(axes, places, median, Colour.NETWORK)
    if calibration_clips <= curve.n_clips[-1]:
        draw_ring(axes, float(np.log2(calibration_clips)), auc)
    pairs = zip(curve.n_clips, median, strict=True)
    description = ", ".join(f"{value:.3f} with {clips}" for clips, value in pairs)
    svg = to_svg(axes, f"AUC over calibration clips: {description}")
    return Chart("AUC over calibration clips", svg)


def delay_chart(name: str, delays: Sequence[float | None]) -> Chart:
    """Return the chart of the share of faults that have raised an alarm, over the time since onset.

    A step curve on a logarithmic axis.

    name: of the machine or machines
    delays: of each fault, s; None without an alarm
    """
    last = max(FOUND_WITHIN_SECONDS)
    detected = sorted(delay for delay in delays if delay is not None and delay <= last)
    n_faults = len(delays)
    seconds = [MIN_DELAY_SECONDS, *(max(delay, MIN_DELAY_SECONDS) for delay in detected), last]
    shares = np.append(np.arange(len(detected) + 1), len(detected)) / n_faults
    places = np.log2(seconds)
    axes = new_axes()
    set_x_axis(axes, "time since the fault began", float(places[0]), float(places[-1]) + 0.3)
    set_tick_labels(
        axes.xaxis, {float(np.log2(value)): words for value, words in DELAY_TICKS.items()}
    )
    set_y_axis(axes, "faults reported", 0, 1)
    set_tick_labels(axes.yaxis, {0: "0", 0.5: "half", 1: "all"})
    for limit in FOUND_WITHIN_SECONDS:
        draw_reference(axes, [np.log2(limit)] * 2, [0, 1])
    # The share changes with the alarm, not before.
    draw_line(axes, np.repeat(places, 2)[1:], np.repeat(shares, 2)[:-1], Colour.ANOMALY)
    shares_found = ", ".join(
        f"{found_within(delays, limit) or 0:.0%} within {limit} s" for limit in FOUND_WITHIN_SECONDS
    )
    svg = to_svg(axes, f"Faults of {name} reported over time: {shares_found}")
    key = KeyEntry(f"{len(detected)} of {n_faults} faults", Colour.ANOMALY)
    return Chart(f"{name}: time until a fault is reported", svg, (key,))


def sensitivity_chart(changes: Sequence[BandChange]) -> Chart:
    """Return the chart of the smallest change of each band that raises an alarm, in dB."""
    times = list(changes[0].at)
    places = np.arange(len(changes), 0, -1)
    sections = [section for change in changes for section in change.at.values()]
    highest = max(section.strength for section in sections)
    axes = new_axes(Box(left=100))
    set_x_axis(axes, "louder or quieter by, dB", 0, highest * HEADROOM)
    set_y_axis(axes, "", 0.5, len(changes) + 0.5)
    bands = [change.band for change in changes]
    set_tick_labels(axes.yaxis, dict(zip(places, bands, strict=True)))
    for place in places:
        draw_reference(axes, [0, highest * HEADROOM], [place, place])
    key: list[KeyEntry] = []
    for seconds, colour in zip(times, (Colour.ANOMALY, Colour.NORMAL), strict=False):
        at_time = [change.at[seconds] for change in changes]
        is_detected = np.array([section.is_detected for section in at_time])
        strengths = np.array([section.strength for section in at_time])
        draw_dots(axes, strengths[is_detected], places[is_detected], colour, diameter_px=9)
        key.append(KeyEntry(f"within {seconds / 60:g} min", colour))
    words = ", ".join(f"{change.band}: {strength_text(change.at[times[0]])}" for change in changes)
    svg = to_svg(
        axes, f"Smallest change that raises an alarm within {times[0] / 60:g} min: {words}"
    )
    caption = ""
    if not all(section.is_detected for section in sections):
        caption = f"Without a dot: {highest:g} dB raise no alarm."
    return Chart("smallest change that raises an alarm", svg, tuple(key), caption)


def comparison_chart(machine: str, comparison: ModelComparison) -> Chart:
    """Return the chart of the score of each recording by this model over that by the other."""
    low = float(comparison.scores.min())
    high = float(comparison.scores.max())
    margin = max((high - low) / 20, 0.01)
    axes = new_axes()
    set_x_axis(axes, "score, other model", low - margin, high + margin)
    set_y_axis(axes, "score, this model", low - margin, high + margin)
    draw_reference(axes, [low, high], [low, high])
    step = -(-len(comparison.scores) // MAX_DOTS)
    for label, mask in (("normal", ~comparison.anomalous), ("anomaly", comparison.anomalous)):
        scores = comparison.scores[mask][::step]
        draw_dots(axes, scores[:, 1], scores[:, 0], COLOURS[label])
    correlation = comparison.rank_correlation
    ending = "" if correlation is None else f", rank correlation {correlation:.5f}"
    svg = to_svg(axes, f"Scores of {machine} by this model over those by the other{ending}")
    key = tuple(KeyEntry(label, colour) for label, colour in COLOURS.items())
    return Chart(f"{machine}: scores of both models", svg, key)
