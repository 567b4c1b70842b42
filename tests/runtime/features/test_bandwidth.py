"""The edge of a spectrum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.features.bandwidth import (
    BELOW_BANDS,
    EDGE_BANDS,
    Reference,
    find_step_down,
)
from edgeae.runtime.system.arrays import Float64

N_MELS = 128
TOP = 120
EDGES = range(BELOW_BANDS + EDGE_BANDS, TOP - 2 * EDGE_BANDS)


def mean(below: Float64) -> Float64:
    return np.asarray(below.mean(axis=1))


def slowly(levels: Float64, reference: Reference) -> list[float]:
    """The drop at each edge, band by band."""
    drops = []
    for band in EDGES:
        below = levels[band - EDGE_BANDS - BELOW_BANDS : band - EDGE_BANDS]
        above = levels[band + EDGE_BANDS : TOP]
        drops.append(float(reference(below[None])[0] - above.max()))
    return drops


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_it_is_the_largest_drop_of_all_edges(seed: int) -> None:
    levels = np.random.default_rng(seed).normal(0, 20, N_MELS)
    drops = slowly(levels, mean)
    step = find_step_down(levels, EDGES, TOP, mean)
    assert step.band == EDGES[int(np.argmax(drops))]
    assert step.drop_db == pytest.approx(max(drops), abs=1e-9)


@pytest.mark.parametrize("band", [20, 60, 100])
def test_a_low_pass_is_found_where_it_is(band: int) -> None:
    levels = np.where(np.arange(N_MELS) < band, -30.0, -70.0)
    step = find_step_down(levels, EDGES, TOP, mean)
    assert abs(step.band - band) <= EDGE_BANDS
    assert step.drop_db == pytest.approx(40.0)


def test_bands_from_the_top_on_do_not_count() -> None:
    levels = np.where(np.arange(N_MELS) < 60, -30.0, -70.0)
    levels[TOP:] = 0.0
    assert find_step_down(levels, EDGES, TOP, mean).drop_db == pytest.approx(40.0)


def test_one_loud_band_above_is_sound_above() -> None:
    levels = np.where(np.arange(N_MELS) < 60, -30.0, -70.0)
    levels[TOP - 1] = -30.0
    assert find_step_down(levels, EDGES, TOP, mean).drop_db == pytest.approx(0.0)


def test_bands_that_fell_less_than_the_tolerance_make_no_edge() -> None:
    change = np.where(np.arange(N_MELS) < 60, 0.0, -25.0)
    assert find_step_down(change, EDGES, TOP, mean, np.full(N_MELS, 24.0)).drop_db == 25.0
    assert find_step_down(change, EDGES, TOP, mean, np.full(N_MELS, 26.0)).drop_db == 0.0


def test_a_spectrum_with_too_few_bands_has_no_edge() -> None:
    assert find_step_down(np.zeros(8), range(10, 4), 8, mean).drop_db == 0.0
