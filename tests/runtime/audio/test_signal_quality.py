"""The raw samples of made-up microphones, good and bad ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeae.runtime.audio.signal_quality import (
    QualityMeter,
    SignalQuality,
    Stretches,
    measure_quality,
    pooled,
)
from edgeae.runtime.system.arrays import Float32

RATES = (8000, 16000, 44100, 48000)


def recorded(samples: NDArray[np.floating[Any]]) -> Float32:
    """As a sound card of 16 bits gives it."""
    return (np.clip(np.round(samples * 2**15), -(2**15), 2**15 - 1) / 2**15).astype(np.float32)


def noise(rate: int, level: float = 0.05, seconds: float = 1.024) -> Float32:
    return recorded(np.random.default_rng(rate).standard_normal(round(seconds * rate)) * level)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [0.0002, 0.002, 0.05, 0.2])
def test_nothing_is_wrong_with_noise(rate: int, level: float) -> None:
    assert measure_quality(noise(rate, level), rate) == SignalQuality()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [50, 51.3, 440, 1000])
@pytest.mark.parametrize("amplitude", [0.006, 0.1, 0.9])
def test_a_tone_is_neither_clipped_nor_stuck(rate: int, hertz: float, amplitude: float) -> None:
    assert (
        measure_quality(
            recorded(amplitude * np.sin(2 * np.pi * hertz / rate * np.arange(rate))), rate
        )
        == SignalQuality()
    )


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(16000, np.float32),
        noise(16000, 1e-5),
        noise(16000, 1e-5) + 1e-5,
        noise(16000, 2e-5) + 2**-14,
        noise(16000, 2e-5) - 0.5,
        np.resize(np.array([0, 0, 2**-15], np.float32), 16000) + np.float32(2**-14),
    ],
)
def test_zeros_and_less_than_90_dbfs_are_silence_whatever_their_offset(sound: Float32) -> None:
    assert measure_quality(sound, 16000).silent == 1


def test_a_drop_out_is_silence_for_its_share_of_the_time() -> None:
    sound = noise(16000)
    sound[5000:6600] = 0
    quality = measure_quality(sound, 16000)
    assert quality.silent == pytest.approx(0.1, abs=0.03)
    assert quality.stuck == 0


def test_a_constant_is_stuck_and_no_silence() -> None:
    assert measure_quality(np.full(16000, 0.1, np.float32), 16000) == SignalQuality(stuck=1.0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("milliseconds", [5, 32, 100, 333])
def test_a_buffer_that_comes_again_and_again_is_stuck(rate: int, milliseconds: int) -> None:
    sound = np.resize(noise(rate)[: rate * milliseconds // 1000], round(1.024 * rate))
    assert measure_quality(sound, rate).stuck == 1


def test_sound_that_begins_with_a_few_zeros_is_not_stuck() -> None:
    """64 zeros match the zeros behind them, but not half of the sound is repeated."""
    sound = noise(16000)
    sound[:160] = 0
    quality = measure_quality(sound, 16000)
    assert (quality.stuck, quality.silent) == (0.0, 0.0)


def test_a_recording_played_in_a_loop_is_not_stuck() -> None:
    meter = QualityMeter(16000, 1.024)
    meter.push(np.tile(noise(16000, seconds=2), 5))
    assert pooled(meter.flush()) == SignalQuality()


@pytest.mark.parametrize("scale", [1.0, 0.2, 0.01])
@pytest.mark.parametrize("limit", [0.4, 1.0, 2.0, 3.0])
def test_the_share_of_clipped_samples_is_found_at_and_below_full_scale(
    scale: float, limit: float
) -> None:
    sound = np.random.default_rng(1).standard_normal(16384)
    clipped = recorded(np.clip(sound, -limit, limit) / limit * scale)
    assert measure_quality(clipped, 16000).clipped == pytest.approx(
        np.mean(np.abs(sound) >= limit), rel=0.1
    )


def test_clipping_on_one_side_is_found() -> None:
    sound = np.random.default_rng(1).standard_normal(16384) * 0.1
    assert (
        measure_quality(recorded(np.minimum(sound, 0.35) + 0.6), 16000).clipped == 0
    )  # a few peaks
    assert measure_quality(recorded(np.minimum(sound + 0.8, 1)), 16000).clipped > 0.01


@pytest.mark.parametrize("samples", [0, 1, 100, 319])
def test_nothing_is_wrong_with_less_than_a_piece(samples: int) -> None:
    assert measure_quality(np.zeros(samples, np.float32), 16000) == SignalQuality()


def test_a_window_is_as_bad_as_its_worst_second_and_clipped_on_average() -> None:
    assert pooled([SignalQuality(0.1, 0.0, 0.02), SignalQuality(0.0, 0.3, 0.0)]) == SignalQuality(
        0.1, 0.3, 0.01
    )


@pytest.mark.parametrize("rate", [16000, 44100])
@given(cuts=st.lists(st.integers(0, 5 * 44100), max_size=8).map(sorted))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_blocks_do_not_matter(rate: int, cuts: list[int]) -> None:
    sound = noise(rate, seconds=4.5)
    sound[int(1.1 * rate) : int(1.4 * rate)] = 0
    sound[2 * rate : 3 * rate] = np.clip(3 * sound[2 * rate : 3 * rate], -0.1, 0.1)
    whole = QualityMeter(rate, 1.024)
    cut = QualityMeter(rate, 1.024)
    whole.push(sound)
    for block in np.split(sound, cuts):
        cut.push(block)
    qualities = whole.flush()
    assert cut.flush() == qualities
    assert len(qualities) == 5
    assert qualities[0] == SignalQuality()


def test_stretches_have_rounded_lengths_that_add_up() -> None:
    sound = np.arange(40, dtype=np.float32)
    stretches = Stretches(7.4)
    cut = [
        stretch.copy() for block in np.split(sound, [3, 4, 30]) for stretch in stretches.push(block)
    ]
    assert [len(stretch) for stretch in cut] == [7, 8, 7, 8, 7]
    np.testing.assert_array_equal(np.concatenate([*cut, stretches.rest]), sound)
    stretches.reset()
    assert (len(stretches.rest), stretches.length) == (0, 7)


def test_a_piece_whose_ends_are_equal_is_not_constant() -> None:
    sound = noise(16000)
    pieces = sound[: 320 * (len(sound) // 320)].reshape(-1, 320)
    pieces[:, -1] = pieces[:, 0]
    assert measure_quality(sound, 16000) == SignalQuality()


def test_a_block_may_be_filled_again_by_its_owner() -> None:
    meter = QualityMeter(16000, 1.024)
    block = noise(16000)[:8000].copy()
    meter.push(block)
    block[:] = 0
    assert pooled(meter.flush()) == SignalQuality()


def test_a_short_rest_counts_for_as_much_as_there_is_of_it() -> None:
    """A file that ends with 30 ms of zeros, 60 ms behind the last whole second."""
    meter = QualityMeter(16000, 1.024)
    meter.push(np.concatenate([noise(16000, seconds=1.054), np.zeros(480, np.float32)]))
    assert 0.0 < pooled(meter.flush()).silent < 0.05
