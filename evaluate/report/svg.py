"""Charts as SVG within a page: text stays text, words in a line's colour tell it, colours are the theme's.

    head
    y label               key: words in the colours of the lines
    high |                 ________
         |       ____-----'
         |   _--'
     low |__/__________________________
        low                        high
                  x label

A chart is as wide as a phone, and the same size everywhere: charts stand beside each other where there is room.
"""

import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .html import data_uri

WIDTH, HEIGHT = 350, 270
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 50, 38
ABOVE = 36  # where the label of the vertical axis stands: over its ticks
APART = 0.1  # of the height: two numbers on an axis, at least
LEVELS = 64  # of a colour scale
Pixels = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """What one direction of a chart means; ticks: where, and the text there."""

    label: str  # with its unit
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def share(cls, label: str) -> "Axis":
        """From 0 to 1."""
        return cls(label, 0, 1, [(0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1, "1")])

    @classmethod
    def of(
        cls, label: str, low: float, high: float, *, most: int = 5, least_step: float = 0.0
    ) -> "Axis":
        """From ``low`` to ``high``, with at most so many ticks on round numbers, so far apart."""
        high = high if high > low else low + 1
        rough = 10 ** math.floor(math.log10((high - low) / most))
        step = next(rough * m for m in (1, 2, 5, 10, 20) if (high - low) / (rough * m) <= most)
        step = max(step, least_step)
        at = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
        return cls(label, low, high, [(float(tick), f"{round(tick, 9):g}") for tick in at])


@dataclass(frozen=True)
class Scale:
    """What the colours of a heat map mean."""

    low: float
    high: float
    unit: str
    colours: str  # a colour map of Matplotlib's


class Chart:
    """One picture; ``name`` is what a screen reader says of it, ``head`` its title."""

    def __init__(
        self, name: str, head: str, x: Axis, y: Axis, *, height: int = HEIGHT, right: int = RIGHT
    ) -> None:
        self.name, self.head, self.x, self.y = name, head, x, y
        self._height, self._right = height, right
        self._parts: list[str] = []

    def _across(self, x: ArrayLike) -> Pixels:
        share = (np.asarray(x, float) - self.x.low) / (self.x.high - self.x.low)
        return np.asarray(LEFT + share * (WIDTH - LEFT - self._right))

    def _down(self, y: ArrayLike) -> Pixels:
        share = (np.asarray(y, float) - self.y.low) / (self.y.high - self.y.low)
        return np.asarray(self._height - BOTTOM - share * (self._height - TOP - BOTTOM))

    def line(self, x: ArrayLike, y: ArrayLike, thing: str, *, thin: bool = False) -> None:
        """A line through points (n,); thing: the class that gives the colour."""
        self._parts.append(
            f'<path class="line {thing}{" thin" * thin}" d="{_path(self._across(x), self._down(y))}"/>'
        )

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, thing: str) -> None:
        """The area between two lines over ``x``, all (n,)."""
        there, back = self._across(x), self._across(x)[::-1]
        outline = _path(np.r_[there, back], np.r_[self._down(low), self._down(high)[::-1]])
        self._parts.append(f'<path class="area {thing}" d="{outline}Z"/>')

    def steps(self, edges: ArrayLike, counts: ArrayLike, thing: str) -> None:
        """A histogram: (n + 1,) edges, (n,) counts."""
        x, y = np.repeat(np.asarray(edges), 2), np.r_[0, np.repeat(np.asarray(counts), 2), 0]
        self.band(x, np.zeros(len(x)), y, thing)
        self.line(x, y, thing)

    def dots(self, x: ArrayLike, y: ArrayLike, thing: str, radius: float = 3) -> None:
        """A dot at each point (n,)."""
        places = zip(np.atleast_1d(self._across(x)), np.atleast_1d(self._down(y)), strict=True)
        dots = "".join(
            f'<circle class=dot cx="{a:.1f}" cy="{b:.1f}" r="{radius:g}"/>' for a, b in places
        )
        self._parts.append(f'<g class="{thing}">{dots}</g>')

    def ring(self, x: float, y: float) -> None:
        """A ring around a point, in the colour of the text."""
        self._parts.append(
            f'<circle class=line cx="{self._across(x):.1f}" cy="{self._down(y):.1f}" r=6 />'
        )

    def rule(self, x: float, words: str) -> None:
        """A vertical line with a word at its top, on the side where there is room."""
        at, right = float(self._across(x)), x < (self.x.low + self.x.high) / 2
        self._parts.append(
            f'<path class="line thin" d="M{at:.1f} {self._height - BOTTOM}V{TOP - 8}"/>'
        )
        self._parts.append(
            _text(at + (5 if right else -5), TOP - 1, words, "start" if right else "end")
        )

    def key(self, *words: tuple[str, str]) -> None:
        """Words and the things whose colours they have, above the chart where no line runs."""
        parts = "  ".join(
            f'<tspan class="{thing}">{html.escape(text)}</tspan>' for text, thing in words
        )
        place = f"x={WIDTH - self._right} y={ABOVE} text-anchor=end xml:space=preserve"
        self._parts.append(f"<text {place}>{parts}</text>")

    def heat(self, values: NDArray[Any], scale: Scale) -> None:
        """(n_rows, n_columns) from below to above as colours, with their scale; NaN stays empty."""
        height, right = self._height - TOP - BOTTOM, WIDTH - self._right
        self._parts.append(_image(heat_png(values[::-1], scale), (LEFT, TOP, right - LEFT, height)))
        ramp = np.linspace(scale.high, scale.low, LEVELS)[:, None]
        self._parts.append(_image(heat_png(ramp, scale), (right + 10, TOP, 10, height)))
        for tick, words in Axis.of(scale.unit, scale.low, scale.high).ticks:
            y = self._height - BOTTOM - (tick - scale.low) / (scale.high - scale.low) * height
            self._parts.append(_text(right + 24, y + 4, words, "start", "axis"))
        self._parts.append(_text(WIDTH, ABOVE, scale.unit, "end", "axis"))

    def svg(self) -> str:
        """The chart as an element of a page."""
        bottom, parts = self._height - BOTTOM, []
        frame = f'<path class=grid d="M{LEFT} {TOP}V{bottom}H{WIDTH - self._right}"/>'
        for tick, words in self.x.ticks:
            parts.append(_text(float(self._across(tick)), bottom + 15, words, "middle", "axis"))
        for tick, words in self.y.ticks:
            parts.append(_text(LEFT - 5, float(self._down(tick)) + 4, words, "end", "axis"))
        parts.append(
            _text(
                (LEFT + WIDTH - self._right) / 2, self._height - 6, self.x.label, "middle", "axis"
            )
        )
        parts.append(_text(0, ABOVE, self.y.label, "start", "axis"))
        parts.append(_text(0, 14, self.head, "start", "head"))
        return (
            f'<svg class=chart role=img aria-label="{html.escape(self.name)}" width={WIDTH} height={self._height} '
            f'viewBox="0 0 {WIDTH} {self._height}">{frame}{"".join(self._parts + parts)}</svg>'
        )


def _path(x: Pixels, y: Pixels) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _text(x: float, y: float, words: str, anchor: str, thing: str = "") -> str:
    kind = f' class="{thing}"' if thing else ""
    return (
        f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor={anchor}>{html.escape(words)}</text>'
        if words
        else ""
    )


def _image(png: bytes, box: tuple[float, float, float, float]) -> str:
    x, y, width, height = box
    place = f"x={x} y={y} width={width} height={height}"
    return f'<image {place} preserveAspectRatio=none href="{data_uri(png, "image/png")}"/>'


def heat_png(values: NDArray[Any], scale: Scale) -> bytes:
    """(n_rows, n_columns), from above to below, as a PNG of ``LEVELS`` colours.

    A pixel is a byte before compression, a quarter of what its four channels would be; NaN is transparent.
    """
    from matplotlib import colormaps
    from PIL import Image

    level = np.clip((values - scale.low) / (scale.high - scale.low) * LEVELS, 0, LEVELS - 1)
    image = Image.fromarray(np.where(np.isnan(values), LEVELS, level).astype(np.uint8), "P")
    palette = (
        (colormaps[scale.colours](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)
    )
    image.putpalette(palette.tobytes() + bytes(3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=LEVELS)
    return buffer.getvalue()


def mel_axis(edges: Iterable[float]) -> Axis:
    """The bands of a log-mel spectrogram one above the other, told in Hz; edges: (n_mels + 2,) Hz."""
    found = np.asarray(list(edges), float)
    bands = len(found) - 2
    octaves = [1000 * 2.0**k for k in range(8, -9, -1)]
    places = (
        (float(np.interp(f, found, np.arange(-1, bands + 1))), f)
        for f in octaves
        if found[0] < f < found[-1]
    )
    ticks, free = list[tuple[float, str]](), bands - 0.5
    for place, f in places:  # from above to below, as far as there is room for numbers
        if place <= free:
            ticks.append((place, f"{f / 1000:g} k" if f >= 1000 else f"{f:g}"))
            free = place - APART * bands
    return Axis("Hz", -0.5, bands - 0.5, ticks)
