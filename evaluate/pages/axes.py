"""Empty axes of a chart in the style of the pages: place in the picture, ticks, colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.system.arrays import Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

WIDTH_PX = 350  # fits a phone
FONT_PX = 12
TICK_PAD_PX = 5
EDGE_PX = 3  # between a text and the edge of the picture
MAX_TICK_INTERVALS = 5
MIN_BAND_TICK_DISTANCE = 0.1  # of the length of the axis, between two numbers
BAND_TICKS_HZ = tuple(1000 * 2.0**k for k in range(8, -9, -1))


class Colour(StrEnum):
    """A colour of the theme; the value is the placeholder that Matplotlib draws with."""

    INK = "#010001"
    SOFT = "#010002"
    LINE = "#010003"
    NORMAL = "#010004"
    ANOMALY = "#010005"
    NETWORK = "#010006"
    BASELINE = "#010007"

    @property
    def css_class(self) -> str:
        """Class of the style that has this colour."""
        return self.name.lower()

    @property
    def css(self) -> str:
        """The colour in CSS."""
        return f"var(--{self.css_class})"


@dataclass(frozen=True)
class Box:
    """Height of a chart and the margins around its axes, pixels."""

    height: int = 226
    left: int = 56
    right: int = 14
    top: int = 16
    bottom: int = 38


def new_axes(box: Box | None = None) -> "Axes":
    """Return empty axes in a figure of their own, with the lines and texts of the style."""
    from matplotlib.figure import Figure

    box = box or Box()
    figure = Figure(figsize=(WIDTH_PX / 72, box.height / 72), dpi=72)
    width = WIDTH_PX - box.left - box.right
    height = box.height - box.top - box.bottom
    place = (
        box.left / WIDTH_PX,
        box.bottom / box.height,
        width / WIDTH_PX,
        height / box.height,
    )
    axes = figure.add_axes(place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(Colour.LINE)
    axes.tick_params(
        left=False, bottom=False, labelsize=FONT_PX, labelcolor=Colour.SOFT, pad=TICK_PAD_PX
    )
    axes.yaxis.set_label_coords(-(box.left - FONT_PX - EDGE_PX) / width, 0.5)
    return axes


def set_x_axis(
    axes: "Axes", label: str, low: float, high: float, *, whole_numbers: bool = False
) -> None:
    """Let the horizontal axis go from ``low`` to ``high``, with a few round ticks."""
    axes.set_xlim(low, high if high > low else low + 1)
    axes.set_xlabel(label, color=Colour.SOFT, fontsize=FONT_PX)
    set_ticks(axes.xaxis, whole_numbers=whole_numbers)


def set_y_axis(
    axes: "Axes", label: str, low: float, high: float, *, whole_numbers: bool = False
) -> None:
    """Let the vertical axis go from ``low`` to ``high``, with a few round ticks."""
    axes.set_ylim(low, high if high > low else low + 1)
    axes.set_ylabel(label, color=Colour.SOFT, fontsize=FONT_PX)
    set_ticks(axes.yaxis, whole_numbers=whole_numbers)


def set_ticks(axis: "Axis", *, whole_numbers: bool = False) -> None:
    """Put ticks on round numbers, at most ``MAX_TICK_INTERVALS`` + 1 of them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(
        MaxNLocator(MAX_TICK_INTERVALS, steps=[1, 2, 5, 10], integer=whole_numbers)
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value, 9):g}"))


def set_share_axes(axes: "Axes", x_label: str, y_label: str) -> None:
    """Let both axes go from 0 to 1."""
    set_x_axis(axes, x_label, 0, 1)
    set_y_axis(axes, y_label, 0, 1)
    ticks = {0: "0", 0.5: "0.5", 1: "1"}
    set_tick_labels(axes.xaxis, ticks)
    set_tick_labels(axes.yaxis, ticks)


def band_ticks(edges_hz: Float64) -> dict[float, str]:
    """Return places on an axis of mel bands, counted from 0, and the frequencies there.

    edges_hz: (n_mels + 2,) edges of the bands, Hz. The highest frequencies come first.
    """
    n_bands = len(edges_hz) - 2
    ticks = dict[float, str]()
    highest_free = n_bands - 0.5
    for hertz in BAND_TICKS_HZ:
        if not edges_hz[0] < hertz < edges_hz[-1]:
            continue
        place = float(np.interp(hertz, edges_hz, np.arange(-1, n_bands + 1)))
        if place <= highest_free:
            ticks[place] = f"{hertz / 1000:g} k" if hertz >= 1000 else f"{hertz:g}"
            highest_free = place - MIN_BAND_TICK_DISTANCE * n_bands
    return ticks


def set_tick_labels(axis: "Axis", ticks: Mapping[float, str]) -> None:
    """Put these texts at these places of an axis."""
    axis.set_ticks(list(ticks), list(ticks.values()))


def set_x_bands(axes: "Axes", edges_hz: Float64) -> None:
    """Let the horizontal axis go over the mel bands with these (n_mels + 2,) edges, Hz."""
    set_x_axis(axes, "Hz", -0.5, len(edges_hz) - 2.5)
    set_tick_labels(axes.xaxis, band_ticks(edges_hz))


def set_y_bands(axes: "Axes", edges_hz: Float64) -> None:
    """Let the vertical axis go over the mel bands with these (n_mels + 2,) edges, Hz."""
    set_y_axis(axes, "Hz", -0.5, len(edges_hz) - 2.5)
    set_tick_labels(axes.yaxis, band_ticks(edges_hz))
