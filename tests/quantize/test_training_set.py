from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.quantize.training_set import (
    GAIN_STEPS_DB,
    TrainingSet,
    cut_patches,
    read_training_set,
    rounding_changes,
)
from edgeae.runtime import AudioError, Detector
from edgeae.runtime.scoring.background import SNRS_DB
from edgeae.train.config import load_config
from edgeae.train.frame_store import Frames
from edgeae.train.run_folder import validation_files
from tests.conftest import Maker, Trained


@pytest.fixture(scope="module")
def detector(trained: Trained) -> Detector:
    return Detector.load(trained.float_)


@given(st.integers(8, 50), st.integers(1, 8))
def test_patches_cover_every_frame_and_the_last_one_ends_with_the_last(n: int, patch: int) -> None:
    frames = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    patches = cut_patches(frames, patch)
    assert patches.shape == (-(-n // patch), patch, 2)
    assert np.array_equal(patches[-1], frames[-patch:])
    assert set(patches[:, :, 0].ravel()) == set(frames[:, 0])


def test_each_recording_has_its_patches(training_set: TrainingSet) -> None:
    patches = training_set.patches(32)
    assert len(patches) == len(training_set.recordings)
    assert np.array_equal(patches[0][-1], training_set.frames[0][-32:])


def test_the_window_is_what_a_median_recording_fills() -> None:
    config = load_config("tiny")
    # mypy does not see that arrays are frames: their slices have more overloads.
    frames = [cast(Frames, np.zeros((n, 128), np.float32)) for n in (40, 100, 1000)]
    training_set = TrainingSet([], frames)
    assert training_set.window(60.0, config) == pytest.approx(3 * 1.024)
    assert training_set.window(2.0, config) == 2.0
    assert TrainingSet([], frames[:1]).window(60.0, config) == pytest.approx(1.024)


def test_windows_are_grouped_by_machine_and_marked_as_held_out(
    trained: Trained, training_set: TrainingSet, detector: Detector
) -> None:
    machines, held_out = training_set.machines(detector)
    assert len(machines) == len(held_out) == 3
    assert [len(windows) for windows in machines] == [len(marks) for marks in held_out]
    validating = validation_files(trained.run, trained.data)
    assert training_set.held_out == validating
    assert sum(marks.sum() for marks in held_out) == len(validating)


def test_the_gain_directions_are_those_of_louder_and_softer_recordings(
    training_set: TrainingSet, detector: Detector
) -> None:
    few = replace(training_set, frames=training_set.frames[:2])
    gain = few.gain(detector)
    assert len(gain) == 2 * len(GAIN_STEPS_DB)
    frames = np.asarray(few.frames[1])
    louder, plain = (
        detector.independent(detector.windows_of_frames(frames + np.float32(step))).mean(axis=0)
        for step in (GAIN_STEPS_DB[-1], 0)
    )
    np.testing.assert_allclose(gain[-1], (louder - plain) / np.sqrt(2), rtol=1e-6)


def test_the_background_is_added_to_generic_noise(
    training_set: TrainingSet, detector: Detector
) -> None:
    few = replace(training_set, frames=training_set.frames[:2])
    off = np.random.default_rng(0).normal(-40, 5, (64, detector.spec.n_mels)).astype(np.float32)
    generic = few.noise(detector)
    noise = replace(few, background=(off,)).noise(detector)
    np.testing.assert_array_equal(noise[: len(generic)], generic)
    assert len(noise) == len(generic) + 2 * len(SNRS_DB)


def test_the_background_of_the_configuration_is_read(make_data: Maker) -> None:
    data = make_data(2)
    (recording, *_) = sorted((data / "train").iterdir())
    config = load_config("tiny", [f"data.background=[{recording}]"])
    training_set = read_training_set(data, config, print, skip_bad=False)
    assert len(training_set.background) == 1
    assert training_set.background[0].shape[1] == config.mel.n_mels


def test_a_recording_too_short_for_a_patch_is_named_or_skipped(make_data: Maker) -> None:
    make_data(2)
    data = make_data(1, seconds=0.5, machine="id_02")
    config = load_config("tiny")
    reported: list[str] = []
    with pytest.raises(AudioError, match="1 of 3"):
        read_training_set(data, config, reported.append, skip_bad=False)
    assert "frames; 32 are needed" in reported[0]
    held_out = frozenset([Path("a.wav")])
    kept = read_training_set(data, config, reported.append, skip_bad=True, held_out=held_out)
    assert len(kept.recordings) == len(kept.frames) == 2
    assert kept.held_out == held_out


def test_rounding_that_all_windows_of_a_machine_share_is_no_change() -> None:
    exact = [np.zeros((4, 3)), np.ones((2, 3))]
    shared = [windows + k for k, windows in enumerate(exact)]
    assert not rounding_changes(exact, shared).any()
    moved = [windows.copy() for windows in exact]
    moved[0][:, 1] += [1, -1, 1, -1]
    np.testing.assert_allclose(np.square(rounding_changes(exact, moved)).sum(axis=0), [0, 4 / 6, 0])


def test_a_part_of_the_training_set_is_spread_over_it(training_set: TrainingSet) -> None:
    part = training_set.part(3)
    assert len(part.recordings) == len(part.frames) == 3
    assert len({recording.machine for recording in part.recordings}) == 3
    assert training_set.part(10_000).recordings == training_set.recordings
