"""Log-mel against librosa's numbers, and streaming against offline."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.features.mel import MelSpec, MelStream, band_edges, filter_bank, log_mel
from tests.runtime.features.golden.make_golden import FILE, SPECS, sounds, uniform

SAMPLES = (0.3 * uniform(30000)).astype(np.float32)
SMALL = MelSpec(sample_rate=8000, n_fft=256, hop=100, n_mels=20, f_max=4000.0)
fixed = settings(derandomize=True, deadline=None, max_examples=60)


@pytest.mark.parametrize(
    ("spec", "sound"), [(spec, name) for spec, (_, names) in SPECS.items() for name in names]
)
def test_agrees_with_librosa(spec: str, sound: str) -> None:
    mel = MelSpec(**SPECS[spec][0])
    with np.load(FILE) as golden:
        expected = golden[f"{spec}/{sound}"]
    found = log_mel(sounds(mel.sample_rate)[sound], mel)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)  # dB


def test_the_golden_sounds_span_the_range_of_levels() -> None:
    with np.load(FILE) as golden:
        peaks = {name: float(golden[name].max()) for name in golden.files}
    assert peaks["default/silence"] == -100
    assert peaks["default/faint tone"] < -40 < 20 < peaks["default/tone"]


def test_frame_k_covers_its_samples_and_no_others() -> None:
    samples = np.zeros(10000, np.float32)
    samples[2048:3072] = 1  # frame 4 of hop 512 and those that overlap it
    heard = np.flatnonzero(log_mel(samples).max(axis=1) > -100)
    np.testing.assert_array_equal(heard, [3, 4, 5])


@pytest.mark.parametrize(
    ("n", "frames"), [(0, 0), (1023, 0), (1024, 1), (1535, 1), (1536, 2), (16000, 30)]
)
def test_only_complete_frames_count(n: int, frames: int) -> None:
    assert log_mel(SAMPLES[:n]).shape == (frames, 128)
    assert MelSpec().n_frames(n) == frames


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(
        log_mel(np.zeros(2000), MelSpec(floor_db=-70.0)), -70, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_of_any_float_type_are_heard_the_same(dtype: type) -> None:
    np.testing.assert_array_equal(log_mel(SAMPLES.astype(dtype)), log_mel(SAMPLES))


def test_strided_samples_are_heard_the_same() -> None:
    stereo = np.stack([SAMPLES, -SAMPLES], axis=1)
    np.testing.assert_array_equal(log_mel(stereo[:, 0]), log_mel(SAMPLES))


# --- streaming ----------------------------------------------------------------------------------


@fixed
@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=12),
    spec=st.sampled_from(
        [MelSpec(), MelSpec(scale="htk", n_mels=40), SMALL, MelSpec(hop=1024), MelSpec(hop=333)]
    ),
)
def test_streaming_is_bit_identical_to_offline(sizes: list[int], spec: MelSpec) -> None:
    ends = np.minimum(np.cumsum([0, *sizes]), len(SAMPLES))
    stream = MelStream(spec)
    found = np.concatenate(list(stream.frames(SAMPLES[start:end] for start, end in pairwise(ends))))
    np.testing.assert_array_equal(found, log_mel(SAMPLES[: ends[-1]], spec))


@fixed
@given(first=st.integers(0, 40), count=st.integers(1, 40))
def test_a_frame_does_not_know_the_frames_beside_it(first: int, count: int) -> None:
    spec = MelSpec()
    whole = log_mel(SAMPLES, spec)
    start, end = first * spec.hop, (first + count - 1) * spec.hop + spec.n_fft
    alone = np.zeros_like(SAMPLES)
    alone[start:end] = SAMPLES[start:end]
    np.testing.assert_array_equal(
        log_mel(alone, spec)[first : first + count], whole[first : first + count]
    )


@fixed
@given(first=st.integers(0, 40))
def test_a_frame_hardly_knows_its_place_in_a_block(first: int) -> None:
    spec = MelSpec()
    shifted = log_mel(SAMPLES[first * spec.hop :], spec)
    np.testing.assert_allclose(shifted, log_mel(SAMPLES, spec)[first:], rtol=0, atol=1e-5)


def test_after_a_reset_a_stream_begins_anew() -> None:
    stream = MelStream()
    stream.push(SAMPLES[:1500])
    stream.reset()
    np.testing.assert_array_equal(
        list(stream.frames([SAMPLES[7000:12000]]))[-1], log_mel(SAMPLES[7000:12000])
    )


def test_a_block_of_frames_is_given_as_soon_as_it_is_complete() -> None:
    spec = MelSpec()
    stream, needed = MelStream(spec, block=8), 7 * spec.hop + spec.n_fft
    assert len(stream.push(SAMPLES[: needed - 1])) == 0
    assert len(stream.push(SAMPLES[needed - 1 : needed])) == 8
    assert len(stream.push(SAMPLES[needed : needed + 8 * spec.hop])) == 8
    assert len(stream.rest()) == 0


def test_a_stream_does_not_change_when_what_was_pushed_does() -> None:
    stream, block = MelStream(), SAMPLES[:600].copy()
    stream.push(block)
    block[:] = 0
    stream.push(SAMPLES[600:2000])
    np.testing.assert_array_equal(stream.rest(), log_mel(SAMPLES[:2000]))


# --- the bands ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_band_edges_span_the_band(scale: str) -> None:
    edges = band_edges(MelSpec(scale=scale, f_min=50.0, f_max=7000.0, n_mels=64))
    assert edges.shape == (66,)
    assert (np.diff(edges) > 0).all()
    np.testing.assert_allclose(edges[[0, -1]], [50, 7000])


def test_triangles_have_equal_area() -> None:
    spec = MelSpec(n_fft=16384, n_mels=20)
    areas = filter_bank(spec).sum(axis=1) * spec.sample_rate / spec.n_fft
    np.testing.assert_allclose(areas, 1, atol=0.01)


# --- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", 0),
        ("sample_rate", 10**9),
        ("n_fft", 0),
        ("n_fft", -1024),
        ("n_fft", 1 << 30),
        ("hop", 0),
        ("hop", 1025),
        ("n_mels", 0),
        ("n_mels", 10**6),
        ("f_min", -1.0),
        ("f_min", 8000.0),
        ("f_max", 8001.0),
        ("f_max", 0.0),
        ("f_max", float("nan")),
        ("f_max", float("inf")),
        ("scale", "bark"),
        ("power", 3),
        ("floor_db", -1000.0),
        ("floor_db", 1e9),
        ("floor_db", float("nan")),
        ("sample_rate", "fast"),
        ("hop", 512.5),
        ("n_fft", True),
        ("n_mels", None),
        ("f_min", "0"),
        ("f_max", 10**400),
        ("scale", 3),
    ],
)
def test_an_impossible_parameter_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^mel: ") as caught:
        MelSpec.from_dict({**MelSpec().to_dict(), name: value})
    assert name in str(caught.value) or value == 10**400
    assert "\n" not in str(caught.value)


def test_more_bands_than_fourier_bins_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_mels or a longer n_fft"):
        MelSpec(n_fft=256, n_mels=128, hop=128)


def test_amplitudes_are_summed_with_a_power_of_1() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 4096).astype(np.float32)
    spec = MelSpec(power=1)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.n_fft) / spec.n_fft)
    amplitudes = np.abs(np.fft.rfft(frames * hann))
    expected = 20 * np.log10(amplitudes @ filter_bank(spec).T.astype(np.float64))
    np.testing.assert_allclose(log_mel(samples, spec), expected, atol=1e-3)


@pytest.mark.parametrize("power", [1, 2])
def test_a_gain_of_the_sound_is_a_gain_of_each_band(power: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 4096).astype(np.float32)
    spec = MelSpec(power=power)
    gain_db = log_mel(samples * np.float32(2), spec) - log_mel(samples, spec)
    np.testing.assert_allclose(gain_db, 20 * np.log10(2), atol=1e-3)


@pytest.mark.parametrize("power", [1, 2])
def test_the_floor_is_the_same_level_with_each_power(power: int) -> None:
    assert log_mel(np.zeros(2000), MelSpec(power=power)).max() == pytest.approx(-100)


@pytest.mark.parametrize(
    "spec", [MelSpec(), SMALL, MelSpec(scale="htk", floor_db=-80.0), MelSpec(power=1)]
)
def test_a_spec_survives_its_dictionary(spec: MelSpec) -> None:
    assert MelSpec.from_dict(spec.to_dict()) == spec


def test_an_integer_serves_as_a_float() -> None:
    spec = MelSpec.from_dict({"f_max": 7000})
    assert spec == MelSpec(f_max=7000.0)
    assert isinstance(spec.f_max, float)


def test_unknown_keys_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown parameters \['hop_length'\]"):
        MelSpec.from_dict({"hop_length": 512})
