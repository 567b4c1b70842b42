"""Log-mel spectrograms as charts: seconds to the right, mel bands upwards, a colour scale."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

from .axes import (
    EDGE_PX,
    FONT_PX,
    WIDTH_PX,
    Box,
    Colour,
    new_axes,
    set_ticks,
    set_x_axis,
    set_y_bands,
)
from .chart import Chart, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX = Box(height=196, right=70, top=8)
SCALE_DISTANCE_PX = 10
SCALE_WIDTH_PX = 10
N_COLOURS = 64


@dataclass(frozen=True)
class Scale:
    """What the colours of a spectrogram mean."""

    low: float
    high: float
    unit: str
    colour_map: str  # name of a colour map of Matplotlib


def spectrogram_chart(
    head: str,
    name: str,
    frames: Float32,
    spec: MelSpec,
    scale: Scale,
    *,
    start: float = 0.0,
    caption: str = "",
) -> Chart:
    """Return the chart of (n_frames, n_mels) values; NaN stays empty.

    name: what a screen reader reads; start: the time of the first frame, s.
    """
    end = start + len(frames) / spec.frames_per_second
    axes = new_axes(BOX)
    draw_image(axes, frames.T, scale, (start, end, -0.5, spec.n_mels - 0.5))
    set_x_axis(axes, "s", start, end)
    set_y_bands(axes, band_edges(spec))
    _draw_scale(axes, scale)
    return Chart(head, to_svg(axes, name), caption=caption)


def draw_image(
    axes: "Axes", values: Float32 | Float64, scale: Scale, extent: tuple[float, float, float, float]
) -> None:
    """Draw (n_rows, n_columns) values in ``N_COLOURS`` colours, the first row at the bottom.

    extent: left, right, bottom and top in the units of the axes.
    """
    from matplotlib import colormaps

    axes.imshow(
        values,
        cmap=colormaps[scale.colour_map].resampled(N_COLOURS),
        vmin=scale.low,
        vmax=scale.high,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="none",  # the browser scales the picture
    )


def _draw_scale(axes: "Axes", scale: Scale) -> None:
    """Draw the colours and their values to the right of the axes."""
    left = WIDTH_PX - BOX.right + SCALE_DISTANCE_PX
    place = axes.get_position()
    scale_axes = axes.figure.add_axes(
        (left / WIDTH_PX, place.y0, SCALE_WIDTH_PX / WIDTH_PX, place.height)
    )
    colours = np.linspace(scale.low, scale.high, N_COLOURS)[:, np.newaxis]
    draw_image(scale_axes, colours, scale, (0, 1, scale.low, scale.high))
    scale_axes.spines[:].set_visible(False)
    scale_axes.set_xticks([])
    scale_axes.yaxis.tick_right()
    scale_axes.tick_params(right=False, labelsize=FONT_PX, labelcolor=Colour.SOFT)
    set_ticks(scale_axes.yaxis)
    axes.figure.text(
        1 - EDGE_PX / WIDTH_PX,
        place.y0 + place.height / 2,
        scale.unit,
        rotation=90,
        horizontalalignment="right",
        verticalalignment="center",
        color=Colour.SOFT,
        fontsize=FONT_PX,
    )
