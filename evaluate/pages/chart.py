"""Charts: drawn by Matplotlib, shown as SVG in the colours of the page's theme.

    head                                     (HTML)
                key: words in the colours of the lines (HTML)
       high |                 ________
    y label |       ____-----'               (SVG)
            |   _--'
        low |__/__________________________
           low                        high
                     x label

A chart is as wide as a phone. Matplotlib draws in placeholder colours; in the SVG each becomes a
CSS colour, so that one chart fits the light and the dark theme.
"""

import base64
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from .axes import Colour
from .page import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lossless WebP is a third as large as the PNG that Matplotlib writes.
# More effort takes seconds a picture.
WEBP = {"lossless": True, "quality": 50, "method": 4}


@dataclass(frozen=True)
class KeyEntry:
    """Words of a key, in the colour of what they name."""

    words: str
    colour: Colour


@dataclass(frozen=True)
class Chart:
    """A finished chart and the words around it."""

    head: str
    svg: Markup
    key: tuple[KeyEntry, ...] = ()
    caption: str = ""


def to_svg(axes: "Axes", name: str) -> Markup:
    """Return the figure of the axes as an SVG element of a page; a screen reader reads ``name``.

    The same drawing with the same name gives the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = axes.figure
    assert isinstance(figure, Figure)
    buffer = io.StringIO()
    # The salt makes the ids of a chart differ from those of the other charts of the page.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    size, drawing = _split(buffer.getvalue())
    label = escape(name)
    return Markup(f'<svg class=chart role=img aria-label="{label}" {size}>{drawing}</svg>')


def _split(svg: str) -> tuple[str, str]:
    """Return the size of an SVG file as attributes, and its content in the style of the page."""
    start = svg.index("<svg")
    head, _, content = svg[start:].partition(">")
    view_box = re.search(r'viewBox="0 0 (\S+) (\S+)"', head)
    assert view_box is not None
    width, height = view_box.groups()
    size = f'width={width} height={height} viewBox="0 0 {width} {height}"'
    content = content.rpartition("</svg>")[0]
    content = re.sub(r"<defs>\s*<style.*?</defs>|<metadata>.*?</metadata>", "", content, flags=re.S)
    content = re.sub(r'<g id="[^"]*"', "<g", content)
    content = re.sub(r"font-family: [^;\"]*; ?", "", content)
    content = re.sub(r'(?<= )(?:d|x|y)="[^"]*"', _rounded, content)
    content = re.sub(r'data:image/png;base64,([^"]*)" id="[^"]*', _smaller_image, content)
    content = content.replace("image-rendering:crisp-edges;image-rendering:pixelated", "")
    for colour in Colour:
        content = content.replace(colour, colour.css)
    return size, re.sub(r"\s*\n\s*", "\n", content)


def _rounded(attribute: re.Match[str]) -> str:
    """Round the coordinates of an attribute to a tenth of a pixel, which no eye sees."""
    shorter = re.sub(
        r"-?\d+\.\d+",
        lambda number: f"{float(number[0]):.1f}".removesuffix(".0"),
        attribute[0],
    )
    return shorter.replace(" \n", "")


def _smaller_image(uri: re.Match[str]) -> str:
    """The same pixels as lossless WebP."""
    from matplotlib.image import imread, imsave

    pixels = imread(io.BytesIO(base64.b64decode(uri[1])), format="png")
    buffer = io.BytesIO()
    rgba = (pixels * 255).round().astype(np.uint8)
    imsave(buffer, rgba, format="webp", pil_kwargs=WEBP)
    return data_uri(buffer.getvalue(), "image/webp")
