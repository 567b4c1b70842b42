"""Spectrograms keep their values, leave out what is no number, and have low bands below."""

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.image import imread
from numpy.typing import NDArray

from edgeae.evaluate.pages.axes import new_axes
from edgeae.evaluate.pages.chart import to_svg
from edgeae.evaluate.pages.spectrogram import (
    N_COLOURS,
    Scale,
    draw_image,
    spectrogram_chart,
)
from edgeae.runtime.features.mel import MelSpec

SCALE = Scale(-4, 4, "standard deviations", "RdBu_r")


def images(svg: str) -> list[NDArray[Any]]:
    """(n_rows, n_columns, 4) pixels of each image from 0 to 255, the first row on top."""
    decoded = []
    pattern = r'data:image/webp;base64,([^"]+)".*?matrix\(\S+ \S+ \S+ (\S+) '
    for content, height in re.findall(pattern, svg, re.S):
        pixels = imread(io.BytesIO(base64.b64decode(content)), format="webp").astype(int)
        decoded.append(pixels[::-1] if float(height) < 0 else pixels)
    return decoded


def image_of(values: NDArray[np.float64]) -> NDArray[Any]:
    axes = new_axes()
    draw_image(axes, values, SCALE, (0, 1, 0, 1))
    (image,) = images(to_svg(axes, "name"))
    return image


def test_a_heat_map_keeps_its_values_to_a_level_and_leaves_out_what_is_no_number() -> None:
    values = np.linspace(-6, 6, 60).reshape(6, 10)
    values[2, 3] = np.nan
    shown = image_of(values)[::-1]
    assert shown[2, 3, 3] == 0 and (np.delete(shown[..., 3].ravel(), 23) == 255).all()
    palette = (colormaps["RdBu_r"](np.linspace(0, 1, N_COLOURS))[:, :3] * 255).round()
    levels = np.abs(shown[..., None, :3] - palette).sum(axis=3).argmin(axis=2)
    values_shown = levels / N_COLOURS * 8 - 4
    inside = np.abs(values) < 4
    assert np.abs(values_shown + 4 / N_COLOURS - values)[inside].max() <= 4 / N_COLOURS + 1e-9


def test_low_bands_are_drawn_below() -> None:
    lowest_row = image_of(np.array([[-4.0], [4.0]]))[-1]  # the lowest band is the quiet, blue one
    ((red, _, blue),) = lowest_row
    assert blue > red


@pytest.mark.parametrize("n_frames", [1, 40])
def test_a_spectrogram_has_its_bands_seconds_and_a_colour_scale(n_frames: int) -> None:
    frames = np.random.default_rng(0).normal(-40, 5, (n_frames, 128)).astype(np.float32)
    chart = spectrogram_chart(
        "head", "name", frames, MelSpec(), Scale(-60, -20, "dB", "magma"), start=3.0, caption="file"
    )
    picture, scale = images(chart.svg)
    assert picture.shape[:2] == (128, n_frames)
    assert scale.shape[:2] == (N_COLOURS, 1)
    assert (chart.head, chart.caption) == ("head", "file")
    for label in ("4 k", "Hz", "s", "dB", "-40"):
        assert f">{label}<" in chart.svg
