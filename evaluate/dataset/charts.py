"""The charts of a data set: levels of its recordings, levels of its bands, spectrograms."""

from pathlib import Path

import numpy as np

from edgeae.runtime.features.mel import band_edges

from ..pages.axes import Colour, new_axes, set_x_axis, set_x_bands, set_y_axis
from ..pages.chart import Chart, KeyEntry, to_svg
from ..pages.marks import draw_area, draw_histogram, draw_line
from ..pages.spectrogram import Scale, spectrogram_chart
from .band_levels import INSPECTION_SPEC
from .survey import GROUPS, Survey

# What stands in the key for each group (split and label).
KEYS = {
    ("train", "normal"): KeyEntry("train", Colour.INK),
    ("test", "normal"): KeyEntry("test, normal", Colour.NORMAL),
    ("test", "anomaly"): KeyEntry("test, anomaly", Colour.ANOMALY),
}
COLOUR_MAP = "magma"
HEADROOM = 1.08  # of the axis, above the highest bar
BAND_QUANTILES = (0.05, 0.5, 0.95)


def level_chart(survey: Survey, machine: str) -> Chart | None:
    """Return histograms of the levels of the recordings; None where no level is known."""
    levels = {
        group: [
            recording.level_dbfs
            for recording in survey.of(machine, *group)
            if recording.level_dbfs is not None
        ]
        for group in GROUPS
    }
    levels = {group: values for group, values in levels.items() if values}
    all_levels = np.concatenate([[], *levels.values()])
    if not len(all_levels):
        return None
    low = float(np.floor(all_levels.min())) - 1
    high = float(np.ceil(all_levels.max())) + 1
    edges = np.linspace(low, high, 8 + min(24, int(np.sqrt(len(all_levels)))))
    counts = {group: np.histogram(values, edges)[0] for group, values in levels.items()}
    highest = max(int(bars.max()) for bars in counts.values())
    axes = new_axes()
    set_x_axis(axes, "dBFS", low, high)
    set_y_axis(axes, "recordings", 0, highest * HEADROOM, whole_numbers=True)
    for group, bars in counts.items():
        draw_histogram(axes, edges, bars, KEYS[group].colour)
    description = "; ".join(_level_range(group, values) for group, values in levels.items())
    svg = to_svg(axes, f"Levels of {machine}: {description}")
    return Chart(f"{machine}: levels", svg, tuple(KEYS[group] for group in counts))


def _level_range(group: tuple[str, str], levels: list[float]) -> str:
    return (
        f"{KEYS[group].words} {min(levels):.1f} to {max(levels):.1f} dBFS, "
        f"median {np.median(levels):.1f}"
    )


def band_chart(survey: Survey, machine: str) -> Chart | None:
    """Return the level of each band of normal sound, train and test; None where there is none.

    The line is the median of the frames, the area goes from 5 to 95 % of them.
    """
    groups = [
        group
        for group in GROUPS
        if group[1] == "normal"
        and (machine, *group) in survey.levels
        and survey.levels[machine, *group].counts.any()
    ]
    if not groups:
        return None
    quantiles = {
        group: [survey.levels[machine, *group].quantile(q) for q in BAND_QUANTILES]
        for group in groups
    }
    axes = new_axes()
    set_x_bands(axes, band_edges(INSPECTION_SPEC))
    low = float(np.floor(np.min(list(quantiles.values()))))
    high = float(np.ceil(np.max(list(quantiles.values()))))
    set_y_axis(axes, "dB", low, high)
    bands = np.arange(INSPECTION_SPEC.n_mels)
    for group, (lower, median, upper) in quantiles.items():
        draw_area(axes, bands, lower, upper, KEYS[group].colour)
        draw_line(axes, bands, median, KEYS[group].colour)
    names = " and of ".join(KEYS[group].words for group in groups)
    svg = to_svg(
        axes, f"Levels of the bands of {machine}: median and 5 to 95 % of the frames of {names}"
    )
    key = tuple(KEYS[group] for group in groups)
    return Chart(f"{machine}: bands of normal sound", svg, key)


def spectrograms(survey: Survey, machine: str) -> list[Chart]:
    """Return a log-mel spectrogram of each group of a machine, all with the same colour scale."""
    examples = {
        group: survey.examples[machine, *group]
        for group in GROUPS
        if (machine, *group) in survey.examples
    }
    if not examples:
        return []
    all_frames = np.concatenate([frames for _, frames in examples.values()])
    low, high = np.quantile(all_frames, (0.01, 0.999))
    scale = Scale(float(low), max(float(high), float(low) + 1), "dB", COLOUR_MAP)
    charts = []
    for group, (file, frames) in examples.items():
        head = f"{machine}: {KEYS[group].words}"
        name = f"Log-mel spectrogram, {head}"
        caption = Path(file).name
        charts.append(
            spectrogram_chart(head, name, frames, INSPECTION_SPEC, scale, caption=caption)
        )
    return charts
