"""The charts of a data set: how loud its recordings are, the levels of its bands, spectrograms."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeae.runtime.features.mel import band_edges
from edgeae.runtime.system.arrays import Float32

from ..report.svg import Axis, Chart, Scale, mel_axis
from .band_levels import INSPECTION_SPEC
from .survey import GROUPS, Survey

# Words and class (colour) of each group; that of training is the ink's.
DRAWN = {
    ("train", "normal"): ("train", ""),
    ("test", "normal"): ("test, normal", "normal"),
    ("test", "anomaly"): ("test, anomaly", "anomaly"),
}
HEAT = {"height": 236, "right": 46}
COLOURS = "magma"
MARGIN = 1.08  # of the height of a chart


def level_chart(survey: Survey, machine: str) -> str:
    """Histograms of the level of the recordings; empty where none is known."""
    known = {
        group: [
            fact.level_dbfs for fact in survey.of(machine, *group) if fact.level_dbfs is not None
        ]
        for group in GROUPS
    }
    values = [level for levels in known.values() for level in levels]
    if not values:
        return ""
    low, high = np.floor(min(values)) - 1, np.ceil(max(values)) + 1
    edges = np.linspace(low, high, 8 + min(24, int(np.sqrt(len(values)))))
    counts = {group: np.histogram(levels, edges)[0] for group, levels in known.items() if levels}
    most = max(int(found.max()) for found in counts.values()) * MARGIN
    name = f"Levels of {machine}: {'; '.join(_said(group, known[group]) for group in counts)}"
    chart = Chart(
        name,
        f"{machine}: levels",
        Axis.of("dBFS", low, high),
        Axis.of("recordings", 0, most, least_step=1),
    )
    for group, found in counts.items():
        chart.steps(edges, found, DRAWN[group][1])
    chart.key(*(DRAWN[group] for group in counts))
    return chart.svg()


def _said(group: tuple[str, str], levels: list[float]) -> str:
    return f"{DRAWN[group][0]} {min(levels):.1f} to {max(levels):.1f} dBFS, median {np.median(levels):.1f}"


def band_chart(survey: Survey, machine: str) -> str:
    """The level of each band of normal sound: the median and from 5 to 95 % of the frames, train and test."""
    groups = [
        group for group in GROUPS if group[1] == "normal" and (machine, *group) in survey.levels
    ]
    groups = [group for group in groups if survey.levels[machine, *group].counts.any()]
    found = {
        group: [survey.levels[machine, *group].quantile(q) for q in (0.05, 0.5, 0.95)]
        for group in groups
    }
    if not found:
        return ""
    low, high = (
        extreme([values for lines in found.values() for values in lines])
        for extreme in (np.min, np.max)
    )
    low, high = float(np.floor(low)), float(np.ceil(high))
    said = " and of ".join(DRAWN[group][0] for group in groups)
    name = f"Levels of the bands of {machine}: median and 5 to 95 % of the frames of {said}"
    chart = Chart(
        name,
        f"{machine}: bands of normal sound",
        mel_axis(band_edges(INSPECTION_SPEC)),
        Axis.of("dB", low, high),
    )
    bands = np.arange(INSPECTION_SPEC.n_mels)
    for group, (least, middle, most) in found.items():
        chart.band(bands, least, most, DRAWN[group][1])
        chart.line(bands, middle, DRAWN[group][1])
    chart.key(*(DRAWN[group] for group in groups))
    return chart.svg()


def spectrograms(survey: Survey, machine: str) -> Iterator[tuple[str, str]]:
    """A log-mel spectrogram of each group of a machine, all with one colour scale, and the file it is of."""
    found = {
        group: survey.examples[machine, *group]
        for group in GROUPS
        if (machine, *group) in survey.examples
    }
    if not found:
        return
    low, high = np.quantile(np.concatenate([frames for _, frames in found.values()]), (0.01, 0.999))
    for group, (file, frames) in found.items():
        scale = Scale(float(low), max(float(high), float(low) + 1), "dB", COLOURS)
        yield spectrogram(f"{machine}: {DRAWN[group][0]}", frames, scale), Path(file).name


def spectrogram(head: str, frames: Float32, scale: Scale) -> str:
    """frames: (n_frames, n_mels) dB."""
    seconds = len(frames) / INSPECTION_SPEC.frames_per_second
    across = Axis.of("s", 0, seconds)
    chart = Chart(
        f"Log-mel spectrogram, {head}", head, across, mel_axis(band_edges(INSPECTION_SPEC)), **HEAT
    )
    chart.heat(frames.T, scale)
    return chart.svg()
