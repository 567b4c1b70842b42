"""The charts of an evaluation, and an example as it stands on the page."""

import html

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

from ..results.compare import ModelComparison
from ..results.learning_curve import LearningCurve
from ..results.metrics import CURVE_GRID, auc_of, curves, resampled_curves
from ..results.recording_scores import MachineTest
from .examples import Example, Excerpt, encoded, excerpt
from .html import charts, figure, paragraph, player
from .svg import Axis, Chart, Scale, mel_axis

BINS = 30
DEVIATIONS = 4.0  # of the residual, at the ends of its scale
MOST_DOTS = 1000
HEAT = {"height": 236, "right": 46}


def _columns(tested: MachineTest) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """(n,) scores, scores without the network, and which recordings are anomalous."""
    scores = tested.both_scores
    return scores[:, 0], scores[:, 1], tested.anomalous


def roc_chart(machine: str, tested: MachineTest) -> str:
    """Recall over false positive rate, with its interval, and that without the network."""
    values, bare, truth = _columns(tested)
    area, _ = auc_of(values, np.where(truth, "anomaly", "normal"))
    name = f"ROC curve of {machine}: AUC {area:.3f}"
    chart = Chart(
        name, f"{machine}: ROC", Axis.share("false positive rate"), Axis.share("true positive rate")
    )
    chart.line([0, 1], [0, 1], "grid")
    bands = resampled_curves(values, truth, machine.encode())
    if bands is not None:
        chart.band(CURVE_GRID, bands[0, 0], bands[1, 0], "network")
    for scores, thing in ((bare, "bare"), (values, "network")):
        false, true, _ = roc_curve(truth, scores)
        chart.line(false, true, thing, thin=thing == "bare")
    chart.key((f"network, AUC {area:.3f}", "network"), ("without", "bare"))
    return chart.svg()


def precision_chart(machine: str, tested: MachineTest) -> str:
    """Precision over recall, at this test's share of anomalies."""
    values, bare, truth = _columns(tested)
    share, once = float(truth.mean()), np.ones((1, len(truth)), np.int64)
    name = f"Precision over recall of {machine}; by chance the precision is {share:.2f}"
    chart = Chart(
        name, f"{machine}: precision and recall", Axis.share("recall"), Axis.share("precision")
    )
    bands = resampled_curves(values, truth, machine.encode())
    if bands is not None:
        chart.band(CURVE_GRID, bands[0, 1], bands[1, 1], "network")
    chart.line([0, 1], [share, share], "grid")
    chart.line(CURVE_GRID, curves(bare, truth, once)[0, 1], "bare", thin=True)
    chart.line(CURVE_GRID, curves(values, truth, once)[0, 1], "network")
    chart.key(("network", "network"), ("without", "bare"), (f"chance {share:.2f}", "soft"))
    return chart.svg()


def scores_chart(machine: str, tested: MachineTest) -> str:
    """Histograms of the scores of normal and anomalous recordings, and the threshold."""
    values, _, truth = _columns(tested)
    limit = tested.scores[0].threshold
    shown = values if limit is None else np.r_[values, limit]
    edges = np.linspace(shown.min(), max(shown.max(), shown.min() + 1e-6), BINS + 1)
    counts = {
        label: np.histogram(values[truth == (label == "anomaly")], edges)[0]
        for label in ("normal", "anomaly")
    }
    said = "without a threshold" if limit is None else f"the threshold is {limit:.2f}"
    name = f"Scores of {machine}: {(~truth).sum()} normal and {truth.sum()} anomalous recordings, {said}"
    margin = (edges[-1] - edges[0]) / 50
    most = max(int(found.max()) for found in counts.values())
    across = Axis.of(
        "score (ln of a distance)", float(edges[0] - margin), float(edges[-1] + margin)
    )
    chart = Chart(
        name, f"{machine}: scores", across, Axis.of("recordings", 0, most * 1.15, least_step=1)
    )
    for label, found in counts.items():
        if found.any():
            chart.steps(edges, found, label)
    chart.key(*((label, label) for label, found in counts.items() if found.any()))
    if limit is not None:
        chart.rule(limit, "threshold")
    return chart.svg()


def learning_chart(found: LearningCurve, clips: int, auc: float) -> str:
    """AUC over the number of calibration clips, on a logarithmic axis."""
    at = np.log2(found.n_clips)
    low, middle, high = (
        np.array([q(aucs) for aucs in found.aucs]) for q in (np.min, np.median, np.max)
    )
    ticks = [(float(np.log2(n)), str(n)) for n in found.n_clips]
    bottom = max(0.0, np.floor(min(low.min(), auc) * 20 - 0.5) / 20)
    said = ", ".join(
        f"{value:.3f} with {n}" for n, value in zip(found.n_clips, middle, strict=True)
    )
    across = Axis("calibration clips", -0.2, float(at[-1]) + 0.2, ticks)
    chart = Chart(
        f"AUC over calibration clips: {said}",
        "AUC over calibration clips",
        across,
        Axis.of("AUC", bottom, 1),
    )
    chart.band(at, low, high, "network")
    chart.line(at, middle, "network")
    chart.dots(at, middle, "network")
    if clips <= found.n_clips[-1]:
        chart.ring(np.log2(clips), auc)
    return chart.svg()


def paired_chart(machine: str, pair: ModelComparison) -> str:
    """The score of each recording by this model over that by the other."""
    low, high = float(pair.scores.min()), float(pair.scores.max())
    margin = max((high - low) / 20, 0.01)
    across, up = (
        Axis.of(label, low - margin, high + margin)
        for label in ("score, other model", "score, this model")
    )
    rank = (
        "" if pair.rank_correlation is None else f", rank correlation {pair.rank_correlation:.5f}"
    )
    chart = Chart(
        f"Scores of {machine} by this model over the other{rank}",
        f"{machine}: scores of both",
        across,
        up,
    )
    chart.line([low, high], [low, high], "grid")
    every = -(-len(pair.scores) // MOST_DOTS)
    for label, mine in (("normal", ~pair.anomalous), ("anomaly", pair.anomalous)):
        scores = pair.scores[mine][::every]
        chart.dots(scores[:, 1], scores[:, 0], label, 2.5)
    chart.key(("normal", "normal"), ("anomaly", "anomaly"))
    return chart.svg()


def example_html(example: Example, channel: Channel) -> str:
    """A recording to look at and to listen to."""
    shown, score, spec = excerpt(example, channel), example.score, example.detector.spec
    end = shown.start + len(shown.frames) / spec.frames_per_second
    limit = (
        "the median of the machine"
        if score.threshold is None
        else f"the threshold {score.threshold:.2f}"
    )
    words = (
        f"{score.machine}, {score.label}: score {score.score:.2f}, {abs(example.margin):.2f} "
        f"{'above' if example.margin > 0 else 'below'} {limit}. Shown are seconds {shown.start:.0f} to {end:.0f}. "
        f"Against the normal sound of this machine: {shown.explanation}."
    )
    pictures = charts(figure(picture) for picture in _pictures(score.file, shown, spec))
    title, sound = f"<h4>{html.escape(score.file)}</h4>", _sound(score.file, shown, spec)
    return f"<article>{title}{paragraph(words)}{sound}{pictures}</article>\n"


def _sound(file: str, shown: Excerpt, spec: MelSpec) -> str:
    if shown.samples is None:
        return paragraph("Precomputed features: there is no sound to play.", "soft")
    content, kind, gain = encoded(shown.samples, spec.sample_rate)
    raised = (
        f"Played {gain:.0f} dB louder than recorded."
        if gain >= 1
        else "Played as loud as recorded."
    )
    return player(content, kind, f"sound of {file}") + paragraph(
        f"{raised} As the model hears it: mono, {spec.sample_rate / 1000:g} kHz.", "soft"
    )


def _pictures(file: str, shown: Excerpt, spec: MelSpec) -> list[str]:
    low, high = (float(value) for value in np.percentile(shown.frames, (1, 99.8)))
    loud = Scale(low, max(high, low + 1), "dB", "viridis")
    odd = Scale(-DEVIATIONS, DEVIATIONS, "standard deviations", "RdBu_r")
    return [
        _picture(file, "heard: log-mel", shown.frames, shown, spec, loud),
        _picture(file, "reconstruction", shown.reconstruction, shown, spec, loud),
        _picture(file, "residual: heard less reconstruction", shown.excess, shown, spec, odd),
    ]


def _picture(
    file: str, head: str, values: Float32, shown: Excerpt, spec: MelSpec, scale: Scale
) -> str:
    end = shown.start + len(values) / spec.frames_per_second
    across = Axis.of("s", shown.start, end)
    chart = Chart(
        f"{head} of {file}, Hz over seconds", head, across, mel_axis(band_edges(spec)), **HEAT
    )
    chart.heat(values.T, scale)
    return chart.svg()
