"""Marks are at the right places of the drawing, in the colours of the theme."""

import re

import numpy as np
import pytest

from edgeae.evaluate.pages.axes import WIDTH_PX, Colour, new_axes, set_share_axes
from edgeae.evaluate.pages.chart import to_svg
from edgeae.evaluate.pages.marks import (
    draw_area,
    draw_dots,
    draw_histogram,
    draw_line,
    draw_ring,
    draw_rule,
)


def paths(svg: str, style: str) -> list[list[tuple[float, float]]]:
    """Points of the paths whose style has this part."""
    drawn = re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg)
    number = r"(-?[\d.]+) (-?[\d.]+)"
    return [
        [(float(x), float(y)) for x, y in re.findall(number, points)]
        for points, its_style in drawn
        if style in its_style
    ]


def test_a_line_goes_from_corner_to_corner() -> None:
    axes = new_axes()
    set_share_axes(axes, "x", "y")
    draw_line(axes, [0, 1], [0, 1], Colour.NETWORK)
    (line,) = paths(to_svg(axes, "name"), "stroke: var(--network)")
    (left, bottom), (right, top) = line
    assert 0 < left < right < WIDTH_PX
    assert bottom > top > 0


def test_only_a_dashed_line_has_dashes() -> None:
    axes = new_axes()
    draw_line(axes, [0, 1], [0, 1], Colour.NETWORK)
    assert "stroke-dasharray" not in to_svg(axes, "name")
    draw_line(axes, [0, 1], [1, 0], Colour.BASELINE, dashed=True)
    assert len(paths(to_svg(axes, "name"), "stroke-dasharray")) == 1


def test_an_area_is_filled_and_has_no_outline() -> None:
    axes = new_axes()
    draw_area(axes, [0, 1], [0, 0], [1, 1], Colour.NORMAL)
    svg = to_svg(axes, "name")
    assert "fill: var(--normal)" in svg and "stroke: var(--normal)" not in svg


def test_a_histogram_has_a_bar_for_each_count() -> None:
    axes = new_axes()
    draw_histogram(axes, [0, 1, 2, 3], [1, 0, 2], Colour.ANOMALY)
    (outline,) = paths(to_svg(axes, "name"), "stroke: var(--anomaly)")
    heights = sorted({y for _, y in outline}, reverse=True)
    assert len(heights) == 3
    assert heights[0] - heights[2] == pytest.approx(2 * (heights[0] - heights[1]), abs=0.2)


@pytest.mark.parametrize("n", [0, 1, 500])
def test_every_dot_is_drawn_in_few_bytes(n: int) -> None:
    places = np.linspace(0, 1, n)
    axes = new_axes()
    set_share_axes(axes, "x", "y")
    empty = len(to_svg(axes, "name"))
    draw_dots(axes, places, places, Colour.NORMAL)
    svg = to_svg(axes, "name")
    dots = [points for path in paths(svg, "stroke: var(--normal)") for points in path[::2]]
    assert len(dots) == n
    assert len(svg) - empty < 200 + 40 * n


def test_a_rule_has_its_words_where_there_is_room() -> None:
    axes = new_axes()
    set_share_axes(axes, "x", "y")
    draw_rule(axes, 0.9, "threshold")
    text = re.search(r"<text [^>]*>threshold<", to_svg(axes, "name"))
    assert text is not None and "text-anchor: end" in text[0]
    draw_rule(axes, 0.1, "limit")
    text = re.search(r"<text [^>]*>limit<", to_svg(axes, "name"))
    assert text is not None and "text-anchor: end" not in text[0]


def test_a_ring_is_empty_and_has_the_colour_of_the_text() -> None:
    axes = new_axes()
    draw_ring(axes, 0.5, 0.5)
    assert re.search(
        r"fill-opacity: 0[^\"]*stroke: var\(--ink\)|fill: none[^\"]*stroke: var\(--ink\)",
        to_svg(axes, "name"),
    )
