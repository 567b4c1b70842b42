"""Resampling, block by block."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.audio.resample import PASSBAND, Resampler, resampled

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 40000).astype(np.float32)
fixed = settings(derandomize=True, deadline=None, max_examples=50)


@fixed
@given(
    rates=st.sampled_from(
        [
            (8000, 16000),
            (44100, 16000),
            (48000, 16000),
            (96000, 16000),
            (22050, 8000),
            (16000, 16000),
        ]
    ),
    cuts=st.lists(st.integers(0, len(NOISE)), max_size=12),
)
def test_resampling_does_not_depend_on_the_blocks(rates: tuple[int, int], cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(NOISE)]
    blocks_resampled = np.concatenate(
        list(resampled((NOISE[a:b] for a, b in pairwise(ends)), *rates))
    )
    np.testing.assert_array_equal(blocks_resampled, soxr.resample(NOISE, *rates, quality="HQ"))


def test_equal_rates_pass_unchanged() -> None:
    assert Resampler(16000, 16000).push(NOISE) is NOISE


def test_a_tone_in_the_passband_keeps_its_level() -> None:
    hertz = PASSBAND * 4000
    tone = np.sin(2 * np.pi * hertz / 16000 * np.arange(16000)).astype(np.float32)
    half_rate = np.concatenate(list(resampled([tone], 16000, 8000)))
    amplitude = np.sqrt(2 * np.mean(np.square(half_rate[400:-400])))
    assert amplitude == pytest.approx(1.0, rel=0.11)  # 1 dB


def test_the_last_block_completes_the_sound() -> None:
    resampler = Resampler(16000, 8000)
    first = resampler.push(NOISE)
    last = resampler.push(np.empty(0, np.float32), last=True)
    assert len(first) < len(first) + len(last) == len(NOISE) // 2
