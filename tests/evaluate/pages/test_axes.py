"""Ticks are round and few; bands are labelled with their frequencies."""

import numpy as np
import pytest

from edgeae.evaluate.pages.axes import (
    WIDTH_PX,
    Box,
    band_ticks,
    new_axes,
    set_share_axes,
    set_x_axis,
    set_x_bands,
    set_y_axis,
    set_y_bands,
)
from edgeae.runtime.features.mel import MelSpec, band_edges


def x_ticks(low: float, high: float, *, whole_numbers: bool = False) -> dict[float, str]:
    """Places and texts of the ticks that are within the axis."""
    axes = new_axes()
    set_x_axis(axes, "score", low, high, whole_numbers=whole_numbers)
    left, right = axes.get_xlim()
    places = axes.get_xticks()
    labels = axes.xaxis.get_major_formatter().format_ticks(list(places))
    return {
        float(place): label
        for place, label in zip(places, labels, strict=True)
        if left - 1e-9 <= place <= right + 1e-9
    }


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-0.3, 0.7), (0, 364), (2.4713, 2.4719), (-61.2, -20.1), (5, 5)]
)
def test_ticks_are_few_round_and_on_the_axis(low: float, high: float) -> None:
    ticks = x_ticks(low, high)
    assert 1 <= len(ticks) <= 6
    assert [float(label) for label in ticks.values()] == pytest.approx(list(ticks), abs=1e-9)


def test_counts_have_whole_ticks() -> None:
    assert list(x_ticks(0, 2.3, whole_numbers=True).values()) == ["0", "1", "2"]


def test_shares_go_from_0_to_1() -> None:
    axes = new_axes()
    set_share_axes(axes, "recall", "precision")
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.5", "1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("recall", "precision")


def test_a_box_is_in_pixels() -> None:
    axes = new_axes(Box(height=200, left=50, right=20, top=10, bottom=40))
    place = axes.get_position()
    assert (place.x0 * WIDTH_PX, place.x1 * WIDTH_PX) == pytest.approx((50, WIDTH_PX - 20))
    assert (place.y0 * 200, place.y1 * 200) == pytest.approx((40, 190))


@pytest.mark.parametrize(
    "spec", [MelSpec(), MelSpec(n_mels=40, scale="htk"), MelSpec(48000, f_max=24000, n_mels=64)]
)
def test_the_axis_of_bands_has_the_hertz_of_their_centres(spec: MelSpec) -> None:
    edges = band_edges(spec)  # edges[k + 1] is the centre of band k
    hertz_to_place = {
        float(label.removesuffix(" k")) * (1000 if "k" in label else 1): place
        for place, label in band_ticks(edges).items()
    }
    assert {1000, 4000} <= hertz_to_place.keys()
    for hertz, place in hertz_to_place.items():
        below = int(np.floor(place + 1))
        assert edges[below] <= hertz + 1e-6 and hertz - 1e-6 <= edges[below + 1]


def test_bands_stand_on_either_axis() -> None:
    edges = band_edges(MelSpec())
    axes = new_axes()
    set_x_bands(axes, edges)
    assert axes.get_xlim() == (-0.5, 127.5)
    set_y_axis(axes, "dB", -60, 0)
    other = new_axes()
    set_y_bands(other, edges)
    assert other.get_ylim() == (-0.5, 127.5)
    assert list(other.get_yticks()) == list(axes.get_xticks())
