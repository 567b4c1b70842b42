"""Charts: ticks are round, places are right, heat maps keep their values."""

import base64
import io
import re

import numpy as np
import pytest

from edgeae.evaluate.report.svg import LEVELS, WIDTH, Axis, Chart, Scale, heat_png, mel_axis
from edgeae.runtime.features.mel import MelSpec, band_edges

SCALE = Scale(-4, 4, "standard deviations", "RdBu_r")


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-0.3, 0.7), (0, 364), (2.4713, 2.4719), (-61.2, -20.1), (5, 5)]
)
def test_ticks_are_few_round_and_on_the_axis(low, high):
    axis = Axis.of("score", low, high)
    assert 1 <= len(axis.ticks) <= 6
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick, _ in axis.ticks)
    assert [float(words) for _, words in axis.ticks] == pytest.approx(
        [tick for tick, _ in axis.ticks], abs=1e-9
    )


def test_counts_have_whole_ticks():
    assert [words for _, words in Axis.of("recordings", 0, 2.3, least_step=1).ticks] == [
        "0",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    "spec", [MelSpec(), MelSpec(n_mels=40, scale="htk"), MelSpec(48000, f_max=24000, n_mels=64)]
)
def test_the_axis_of_bands_tells_the_hertz_of_their_centres(spec):
    edges = band_edges(spec)  # edges[k + 1] is the centre of band k
    axis = mel_axis(edges)
    told = {
        float(words.removesuffix(" k")) * (1000 if "k" in words else 1): at
        for at, words in axis.ticks
    }
    assert {1000, 4000} <= told.keys()
    for hertz, place in told.items():
        below = int(np.floor(place + 1))
        assert edges[below] <= hertz + 1e-6 and hertz - 1e-6 <= edges[below + 1]


def test_a_line_goes_from_corner_to_corner():
    chart = Chart("name", "head", Axis.share("x"), Axis.share("y"))
    chart.line([0, 1], [0, 1], "network")
    path = re.search(r'class="line network" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', chart.svg())
    left, bottom, right, top = map(float, path.groups())
    assert 0 < left < right < WIDTH
    assert bottom > top > 0


def test_words_on_a_chart_are_text_and_not_markup():
    svg = Chart('a "<b>', "<script>", Axis.share("<x>"), Axis.share("&y")).svg()
    assert 'aria-label="a &quot;&lt;b&gt;"' in svg
    assert "<script" not in svg and "<x>" not in svg


def test_a_heat_map_keeps_its_values_to_a_level_and_leaves_out_what_is_no_number():
    from matplotlib import colormaps
    from PIL import Image

    values = np.linspace(-6, 6, 60).reshape(6, 10)
    values[2, 3] = np.nan
    with Image.open(io.BytesIO(heat_png(values, SCALE))) as image:
        shown = np.asarray(image.convert("RGBA")).astype(int)
    assert shown[2, 3, 3] == 0 and (np.delete(shown[..., 3].ravel(), 23) == 255).all()
    palette = (colormaps["RdBu_r"](np.linspace(0, 1, LEVELS))[:, :3] * 255).round()
    found = np.abs(shown[..., None, :3] - palette).sum(axis=3).argmin(axis=2) / LEVELS * 8 - 4
    inside = np.abs(values) < 4
    assert np.abs(found + 4 / LEVELS - values)[inside].max() <= 4 / LEVELS + 1e-9


def test_low_bands_are_drawn_below():
    from PIL import Image

    chart = Chart("name", "head", Axis.of("s", 0, 1), Axis.of("Hz", 0, 2))
    chart.heat(np.array([[-4.0], [4.0]]), SCALE)  # the lowest band is the quiet, blue one
    png = base64.b64decode(re.search(r"base64,([^\"]+)", chart.svg())[1])
    with Image.open(io.BytesIO(png)) as image:
        (red, _, blue), *_ = np.asarray(image.convert("RGB")).astype(int)[-1]
    assert blue > red
