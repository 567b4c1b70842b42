"""Windows of a stream: which patches they hold, and what a gap means for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.network import PatchStatistics, statistics_of
from edgeae.runtime.scoring.window_stream import WindowStream, checked, infer_batched, patches_of
from edgeae.runtime.system.arrays import Float32

SPEC = MelSpec(n_mels=8)
PATCH_FRAMES = 32
WINDOW_PATCHES = 4
WINDOW_SECONDS = WINDOW_PATCHES * PATCH_FRAMES * SPEC.hop / SPEC.sample_rate


class IdentityNetwork:
    """Its residual is its input."""

    patch_frames = PATCH_FRAMES
    n_identity = 0

    def __call__(self, patches: Float32) -> PatchStatistics:
        return statistics_of(patches, self.residual(patches))

    def residual(self, patches: Float32) -> Float32:
        return patches

    def out_of_range(self, patches: Float32) -> Float32:
        return np.zeros(len(patches), np.float32)


def new_stream() -> WindowStream:
    return WindowStream(SPEC, IdentityNetwork(), WINDOW_SECONDS)


def frames_of(n_frames: int) -> Float32:
    rng = np.random.default_rng(n_frames)
    return rng.normal(-50, 5, (n_frames, SPEC.n_mels)).astype(np.float32)


def noise(seconds: float) -> Float32:
    n_samples = round(seconds * SPEC.sample_rate)
    return np.random.default_rng(1).normal(0, 0.1, n_samples).astype(np.float32)


def test_the_window_of_a_fragment_after_a_gap_is_not_full() -> None:
    stream = new_stream()
    windows = stream.push(noise(5.0))
    assert windows
    assert all(window.is_full for window in windows)
    stream.reset(10 * SPEC.sample_rate)
    assert not stream.is_warm
    assert stream.push(noise(1.5)) == []
    [window] = stream.flush()
    assert not window.is_full
    assert 11.0 < window.end < 11.5


@given(n_frames=st.integers(PATCH_FRAMES, 2 * WINDOW_PATCHES * PATCH_FRAMES))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_last_window_is_full_if_it_has_nine_tenths_of_the_decision_window(
    n_frames: int,
) -> None:
    stream = new_stream()
    windows = stream.push_frames(frames_of(n_frames))
    windows += stream.flush()
    assert windows[-1].is_full == (n_frames >= 0.9 * WINDOW_PATCHES * PATCH_FRAMES)


@pytest.mark.parametrize(
    ("n_frames", "is_full"), [(63, False), (64, False), (115, False), (116, True), (128, True)]
)
def test_a_short_recording_is_full_from_116_of_128_frames(n_frames: int, is_full: bool) -> None:
    stream = new_stream()
    windows = stream.push_frames(frames_of(n_frames))
    windows += stream.flush()
    assert [window.is_full for window in windows] == [is_full]


def test_pending_patches_are_inferred_later_with_those_of_other_streams() -> None:
    network = IdentityNetwork()
    streams = [WindowStream(SPEC, network, WINDOW_SECONDS) for _ in range(2)]
    for stream in streams:
        stream.push_pending(noise(5.0))
    assert [len(stream.pending_patches) for stream in streams] == [4, 4]
    batched = infer_batched(streams)
    alone = new_stream().push(noise(5.0))
    for windows in batched:
        assert [window.end for window in windows] == [window.end for window in alone]
    assert [len(stream.pending_patches) for stream in streams] == [0, 0]


def test_less_than_a_patch_is_refused() -> None:
    stream = new_stream()
    stream.push(noise(0.5))
    with pytest.raises(AudioError, match=r"only 0\.50 s of sound; at least 1\.06 s is needed"):
        stream.flush()


@pytest.mark.parametrize(("seconds", "n_patches"), [(0.01, 1), (1.0, 1), (4.1, 4), (10.0, 10)])
def test_a_window_is_a_whole_number_of_patches(seconds: float, n_patches: int) -> None:
    assert patches_of(seconds, SPEC, IdentityNetwork()) == n_patches


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros((4, 2), np.float32), "of one channel"),
        (np.zeros(4, np.int16), "have to be float"),
        (np.array([0, np.nan], np.float32), "not numbers"),
    ],
)
def test_blocks_that_are_not_mono_sound_are_refused(block: Float32, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        checked(block)
