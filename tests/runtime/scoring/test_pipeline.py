"""From recordings to windows."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.mel import MelSpec
from edgeae.runtime.model.network import PatchStatistics, statistics_of
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.system.arrays import Float32

SPEC = MelSpec(n_mels=8)
PATCH_FRAMES = 32
WINDOW_SECONDS = 2 * PATCH_FRAMES * SPEC.hop / SPEC.sample_rate


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


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(SPEC, IdentityNetwork(), WINDOW_SECONDS)


@pytest.fixture
def noise() -> Float32:
    """Ten seconds."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, 10 * SPEC.sample_rate).astype(np.float32)


def test_a_window_is_a_whole_number_of_patches(pipeline: Pipeline) -> None:
    assert pipeline.window_frames == 2 * PATCH_FRAMES


def test_the_blocks_of_a_recording_do_not_matter(pipeline: Pipeline, noise: Float32) -> None:
    whole = list(pipeline.windows([noise], SPEC.sample_rate))
    in_blocks = list(pipeline.windows(np.array_split(noise, 7), SPEC.sample_rate))
    assert [window.end for window in in_blocks] == [window.end for window in whole]
    for window, expected in zip(in_blocks, whole, strict=True):
        np.testing.assert_allclose(window.features, expected.features, atol=1e-5)


def test_a_file_gives_the_windows_of_its_samples(
    pipeline: Pipeline, noise: Float32, tmp_path: Path
) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise, SPEC.sample_rate, "FLOAT")
    expected = list(pipeline.windows([noise], SPEC.sample_rate))
    windows = list(pipeline.read(path))
    assert [window.end for window in windows] == [window.end for window in expected]


def test_independent_windows_do_not_overlap(pipeline: Pipeline, noise: Float32) -> None:
    windows = list(pipeline.windows([noise], SPEC.sample_rate))
    apart = pipeline.apart(windows)
    assert len(apart) == 4 < len(windows)  # of 2 s
    assert np.diff([window.end for window in apart]).min() >= WINDOW_SECONDS - 2e-3
    np.testing.assert_array_equal(
        pipeline.independent(windows), [window.features for window in apart]
    )


def test_an_error_names_the_file_once(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(1000), SPEC.sample_rate)
    with pytest.raises(AudioError) as error:
        list(pipeline.read(path))
    assert str(error.value).count(str(path)) == 1
