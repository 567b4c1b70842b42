"""Recordings joined without a jump, whatever their lengths and blocks."""

from itertools import cycle, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.evaluate.streams.joining import first_frames
from edgeae.runtime.features.joining import cross_fade, joined
from edgeae.runtime.system.arrays import Float32

FADE = 31


def _steady(level_db: float, n_frames: int) -> Float32:
    return np.full((n_frames, 4), level_db, np.float32)


def _join(*recordings: Float32, fade: int = FADE) -> Float32:
    return np.concatenate(list(joined([[recording] for recording in recordings], fade)))


def test_one_recording_stays_as_it_is() -> None:
    frames = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    assert np.array_equal(_join(frames), frames)


def test_recordings_overlap_by_one_fade() -> None:
    frames = _join(_steady(-20, 200), _steady(-20, 100), _steady(-20, 70))
    assert len(frames) == 200 + 100 + 70 - 2 * FADE


def test_between_two_levels_no_step_is_larger_than_one_of_the_fade() -> None:
    frames = _join(_steady(-20, 100), _steady(-10, 100))
    steps = np.diff(10 ** (frames[:, 0] / 10))
    assert steps.min() >= -1e-9
    assert steps.max() == pytest.approx((0.1 - 0.01) / (FADE + 1), rel=1e-3)
    assert frames[0, 0] == -20 and frames[-1, 0] == pytest.approx(-10)


def test_powers_are_added() -> None:
    mixed = cross_fade(_steady(0, 1), _steady(-100, 1))
    assert mixed[0, 0] == pytest.approx(10 * np.log10(0.5), abs=1e-4)
    assert np.allclose(cross_fade(_steady(-30, 9), _steady(-30, 9)), -30, atol=1e-4)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(1, 40), st.integers(0, 10))
def test_blocks_do_not_matter_and_short_recordings_are_faded_in_halves(
    lengths: list[int], size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    recordings = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    blocks = [
        [recording[start : start + size] for start in range(0, len(recording), size)]
        for recording in recordings
    ]
    found = np.concatenate(list(joined(blocks, FADE)))
    assert np.array_equal(found, _join(*recordings))
    fades = [min(FADE, n // 2) for n in lengths]
    overlaps = [min(pair) for pair in pairwise(fades)]
    assert len(found) == sum(lengths) - sum(overlaps)


def test_recordings_without_an_end_are_joined_as_they_are_needed() -> None:
    endless = cycle([[_steady(-20, 100)], [_steady(-30, 50)]])
    frames = np.concatenate(list(first_frames(joined(endless, FADE), 1000)))
    assert len(frames) == 1000


def test_an_empty_recording_is_left_out() -> None:
    empty: list[Float32] = []
    frames = np.concatenate(list(joined([[_steady(0, 80)], empty, [_steady(0, 80)]], FADE)))
    assert len(frames) == 160 - FADE
