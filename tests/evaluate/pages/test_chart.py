"""A chart is an element of a page: its text is text, its colours are those of the theme."""

import re

from edgeae.evaluate.pages.axes import Colour, new_axes, set_x_axis, set_y_axis
from edgeae.evaluate.pages.chart import to_svg
from edgeae.evaluate.pages.marks import draw_area, draw_dots, draw_line, draw_ring


def drawing(name: str, colour: Colour = Colour.NETWORK) -> str:
    axes = new_axes()
    set_x_axis(axes, "<x>", 0, 1)
    set_y_axis(axes, "&y", 0, 1)
    draw_line(axes, [0, 1], [0, 1], colour)
    draw_area(axes, [0, 1], [0, 0], [1, 1], colour)
    draw_dots(axes, [0.5], [0.5], colour)
    draw_ring(axes, 0.5, 0.5)
    return to_svg(axes, name)


def test_words_on_a_chart_are_text_and_not_markup() -> None:
    svg = drawing('a "<b>')
    assert 'aria-label="a &#34;&lt;b&gt;"' in svg
    assert "<x>" not in svg and "&lt;x&gt;" in svg and "&amp;y" in svg


def test_every_colour_is_one_of_the_theme() -> None:
    for colour in Colour:
        svg = drawing("name", colour)
        assert f"var(--{colour.css_class})" in svg
        assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_the_same_drawing_gives_the_same_bytes() -> None:
    assert drawing("name") == drawing("name")


def test_charts_of_a_page_share_no_ids() -> None:
    first = set(re.findall(r' id="([^"]*)"', drawing("first")))
    second = set(re.findall(r' id="([^"]*)"', drawing("second")))
    assert first and not first & second


def test_the_drawing_holds_nothing_but_what_is_shown() -> None:
    svg = drawing("name")
    assert svg.startswith("<svg class=chart role=img ")
    for part in ("<?xml", "<!DOCTYPE", "<metadata", "<style", "font-family", "xmlns"):
        assert part not in svg
