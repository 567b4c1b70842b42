"""What a chart shows: lines, areas, histograms, dots and rules on its axes."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .axes import FONT_PX, Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AREA_OPACITY = 0.22
DASHES = (0, (2.5, 2))  # in widths of the line


def draw_line(
    axes: "Axes", x: ArrayLike, y: ArrayLike, colour: Colour, *, dashed: bool = False
) -> None:
    """Draw a line through points (n,)."""
    axes.plot(
        x,
        y,
        color=colour,
        linewidth=1.5 if dashed else 2,
        linestyle=DASHES if dashed else "solid",
        clip_on=False,  # else a line along the edge of the axes is half as wide
    )


def draw_reference(axes: "Axes", x: ArrayLike, y: ArrayLike) -> None:
    """Draw a thin grey line, below all others, to compare them with; through points (n,)."""
    axes.plot(x, y, color=Colour.LINE, linewidth=1, zorder=0.5)


def draw_area(axes: "Axes", x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: Colour) -> None:
    """Fill the area between two lines over ``x``, all (n,)."""
    axes.fill_between(x, low, high, color=colour, alpha=AREA_OPACITY, linewidth=0)


def draw_histogram(axes: "Axes", edges: ArrayLike, counts: ArrayLike, colour: Colour) -> None:
    """Draw a histogram: (n + 1,) edges, (n,) counts."""
    axes.stairs(counts, edges, color=colour, fill=True, alpha=AREA_OPACITY)
    axes.stairs(counts, edges, color=colour, linewidth=2, clip_on=False)


def draw_dots(
    axes: "Axes", x: ArrayLike, y: ArrayLike, colour: Colour, diameter_px: float = 5
) -> None:
    """Draw a dot at each point (n,).

    A dot is a line without length that has round ends. One path of such lines takes a fifth of the
    bytes that markers take.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = np.column_stack([np.atleast_1d(x), np.atleast_1d(y)])
    codes = np.tile([Path.MOVETO, Path.LINETO], len(points))
    path = Path(np.repeat(points, 2, axis=0), codes)
    path.should_simplify = False
    dots = PathPatch(
        path,
        edgecolor=colour,
        fill=False,
        linewidth=diameter_px,
        capstyle="round",
        clip_on=False,
    )
    axes.add_patch(dots)


def draw_ring(axes: "Axes", x: float, y: float) -> None:
    """Draw a ring around a point, in the colour of the text."""
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=12,
        markerfacecolor="none",
        markeredgecolor=Colour.INK,
        markeredgewidth=2,
        clip_on=False,
    )


def draw_rule(axes: "Axes", x: float, words: str) -> None:
    """Draw a dashed vertical line with words above the axes, on the side where there is room."""
    axes.axvline(x, color=Colour.INK, linewidth=1.5, linestyle=DASHES)
    low, high = axes.get_xlim()
    in_left_half = x < (low + high) / 2
    axes.text(
        x,
        1.02,
        words,
        transform=axes.get_xaxis_transform(),
        horizontalalignment="left" if in_left_half else "right",
        color=Colour.INK,
        fontsize=FONT_PX,
    )
