from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.audio.resample import PASSBAND, Resampler
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.mel import MelSpec, band_edges, log_mel
from edgeae.runtime.model.sections import MASKED_BAND_STD_DB
from edgeae.train.architectures import MASKING_STD_DB
from edgeae.train.config import Config, DataConfig, ModelConfig, TrainingConfig, load_config
from edgeae.train.patches import (
    MAX_EPOCHS,
    MIN_EPOCHS,
    MIN_STD_DB,
    PatchData,
    PatchDataset,
    band_statistics,
    long_enough,
    n_epochs,
    patch_step,
    split,
)
from edgeae.train.torch_features import Features


def _features(lengths: dict[str, list[int]]) -> list[Features]:
    """Machine -> frames of its recordings; each holds its recording's position and its own."""
    found: list[Features] = []
    for machine, frames in lengths.items():
        for i, count in enumerate(frames):
            array: Any = np.zeros((count, 128), np.float32)
            array[:, 0], array[:, 1] = len(found), np.arange(count)
            recording = Recording(
                Path("data/train") / f"normal_{machine}_{i}.wav", "normal", machine
            )
            found.append(Features(recording, array, f"{machine}{i}"))
    return found


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=4), st.integers(0, 99), st.floats(0.01, 0.5)
)
def test_every_machine_fits_and_validates(counts: list[int], seed: int, share: float) -> None:
    found = _features({f"id_{m:02d}": [64] * count for m, count in enumerate(counts)})
    config = load_config("edge", [f"training.seed={seed}", f"data.validation={share}"])
    parts = split(found, config)
    assert len(parts.fit) + len(parts.validation) == len(found)
    first = 0
    for count in counts:
        held_out = sum(first <= i < first + count for i in parts.validating)
        assert held_out == max(1, round(share * count)) < count
        first += count


def test_the_split_follows_from_the_seed() -> None:
    found = _features({"id_00": [64] * 40})
    one, again, two = (
        split(found, load_config("edge", [f"training.seed={seed}"])).validating
        for seed in (1, 1, 2)
    )
    assert one == again != two


def test_a_machine_of_one_recording_is_cut_in_time() -> None:
    (item,) = found = _features({"id_00": [200]})
    parts = split(found, Config())
    assert not parts.validating
    assert np.array_equal(np.concatenate([*parts.fit, *parts.validation]), item.frames)
    assert len(parts.validation[0]) == 32


def test_one_short_recording_leaves_nothing_to_validate_with() -> None:
    with pytest.raises(ConfigError, match="two recordings, or one of at least 64 frames"):
        split(_features({"id_00": [63]}), Config())


def test_a_recording_shorter_than_a_patch_is_named() -> None:
    said: list[str] = []
    with pytest.raises(AudioError, match="1 of 2"):
        long_enough(_features({"id_00": [32, 31]}), 32, said.append, skip_bad=False)
    assert said[0].startswith(
        "data/train/normal_id_00_1.wav: 31 frames are too short for one patch of 32"
    )


def test_a_recording_shorter_than_a_patch_is_left_out_when_asked() -> None:
    kept = long_enough(_features({"id_00": [32, 31]}), 32, lambda line: None, skip_bad=True)
    assert [len(item.frames) for item in kept] == [32]


@given(st.lists(st.integers(16, 120), min_size=1, max_size=5), st.integers(1, 40))
def test_no_patch_crosses_into_another_recording(lengths: list[int], step: int) -> None:
    stretches = [item.frames for item in _features({"id_00": lengths})]
    patches = PatchDataset(stretches, 16, step)
    assert len(patches) == sum((length - 16) // step + 1 for length in lengths)
    for i in range(len(patches)):
        recording, frame = patches[i][:, 0], patches[i][:, 1]
        assert (recording == recording[0]).all()
        assert (frame.diff() == 1).all()


@pytest.mark.parametrize(("recordings", "step"), [(1, 1), (100, 2), (1000, 20), (4000, 32)])
def test_an_epoch_is_alike_for_little_and_much_sound(recordings: int, step: int) -> None:
    frames: Any = np.empty((200, 128), np.float32)
    assert patch_step([frames] * recordings, Config()) == step
    assert patch_step([], Config(data=DataConfig(patch_step=3))) == 3


def test_a_batch_is_its_patches() -> None:
    patches = PatchDataset([item.frames for item in _features({"id_00": [50, 60]})], 32, 5)
    batch = patches.__getitems__([3, 0, 7])
    assert batch.shape == (3, 32, 128)
    assert torch.equal(batch, torch.stack([patches[3], patches[0], patches[7]]))


def _order(data: PatchData, epoch: int) -> list[float]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [
        value for batch in loader for value in (batch[:, 0, 0] * 1000 + batch[:, 0, 1]).tolist()
    ]


def test_the_order_of_an_epoch_follows_from_seed_and_epoch() -> None:
    found = _features({"id_00": [200] * 4})
    config = Config(model=ModelConfig(embedding=0), data=DataConfig(patch_step=4))
    data, again = (PatchData(split(found, config), config) for _ in range(2))
    orders = [_order(data, epoch) for epoch in range(3)]
    assert orders[2] == _order(again, 2)
    assert orders[0] != orders[1] != orders[2]
    assert len(set(orders[0])) == len(orders[0])


def test_less_than_a_batch_is_still_trained_on() -> None:
    config = Config()
    data = PatchData(split(_features({"id_00": [64] * 2}), config), config)
    assert len(list(data.train_dataloader())) == 1


def test_band_statistics_are_those_of_all_frames_with_a_floor() -> None:
    rng = np.random.default_rng(0)
    stretches: list[Any] = [rng.normal(-40, 5, (n, 128)).astype(np.float32) for n in (50, 70)]
    for frames in stretches:
        frames[:, 3] = -100
    mean, std = band_statistics(stretches, MelSpec())
    frames = np.concatenate(stretches)
    np.testing.assert_allclose(mean.numpy(), frames.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(std[4:-3].numpy(), frames[:, 4:-3].std(axis=0), rtol=1e-4)
    assert std[3] == MIN_STD_DB


def test_bands_above_the_passband_of_the_resampler_are_masked() -> None:
    frames: Any = np.random.default_rng(0).normal(-40, 5, (50, 128)).astype(np.float32)
    _, std = band_statistics([frames], MelSpec())
    masked = band_edges(MelSpec())[2:] > PASSBAND * 8000  # by the upper edge
    assert masked.sum() == 3
    assert std[masked].tolist() == [MASKING_STD_DB] * 3
    assert std[~masked].max() < MASKED_BAND_STD_DB < MASKING_STD_DB


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_a_device_of_a_higher_rate_gives_the_network_the_same_statistics(rate: int) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(
        4 * rate
    )  # as the device of the higher rate hears it
    original = np.asarray(
        soxr.resample(sound, rate, 16000, "VHQ"), np.float32
    )  # as one of 16 kHz does
    resampler = Resampler(rate, 16000)
    heard = resampler.push(np.asarray(sound, np.float32))
    heard = np.concatenate([heard, resampler.push(np.empty(0, np.float32), last=True)])
    ours, theirs = (log_mel(samples)[2:119] for samples in (original, heard))
    stretch: Any = ours
    _, std = band_statistics([stretch], MelSpec())
    away = np.abs(theirs - ours)
    assert (away / std.numpy()).max() < 0.01
    assert away[:, -1].max() > 1  # dB: what the network must not hear


def _crops_of(lengths: dict[str, list[int]], *overrides: str) -> PatchData:
    config = load_config("tiny", ["model.embedding=4", "data.patch_step=8", *overrides])
    return PatchData(split(_features(lengths), config), config)


def test_a_crop_is_several_patches_of_one_recording_and_names_its_machine() -> None:
    data = _crops_of({"id_00": [200, 200, 64 * 4], "id_07": [200, 200]})
    assert data.crop_patches == 4
    (batch,) = [data.crops.__getitems__(list(range(len(data.crops))))]
    assert batch.frames.shape[1:] == (128, 128)
    recording = batch.frames[:, :, 0]
    assert (recording == recording[:, :1]).all()
    assert (batch.frames[:, :, 1].diff(dim=1) == 1).all()
    assert torch.equal(batch.machines, (recording[:, 0] >= 3).long())


def test_a_crop_is_no_longer_than_the_shortest_recording() -> None:
    assert _crops_of({"id_00": [200, 200], "id_01": [70, 70]}).crop_patches == 2
    assert _crops_of({"id_00": [200, 200]}, "identity.crop_patches=1").crop_patches == 1


def test_an_epoch_of_crops_is_a_new_share_of_them_and_follows_from_seed_and_epoch() -> None:
    lengths = {"id_00": [300] * 6, "id_01": [300] * 6}
    overrides = ("training.batch_size=16", "identity.band_shifts=[3]")
    data = _crops_of(lengths, *overrides)
    again = _crops_of(lengths, *overrides)

    def epoch_of(data: PatchData, epoch: int) -> list[float]:
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return [key for crops in loader for key in _keys(crops.frames)]

    first, second = epoch_of(data, 0), epoch_of(data, 1)
    assert epoch_of(again, 1) == second != first
    assert len(first) == pytest.approx(len(data.crops) / data.crop_patches, abs=4)
    assert len(set(first)) == len(first)


def _keys(frames: torch.Tensor) -> list[float]:
    return (frames[:, 0, 0] * 1000 + frames[:, 0, 1]).tolist()


@pytest.mark.parametrize(("shifts", "n_crops"), [([], 2), ([3, -3], 3)])
def test_a_small_batch_holds_a_crop_for_each_band_shift_and_for_none(
    shifts: list[int], n_crops: int
) -> None:
    overrides = ("training.batch_size=1", f"identity.band_shifts={shifts}")
    batches = list(_crops_of({"id_00": [300], "id_01": [300]}, *overrides).train_dataloader())
    assert [len(batch.frames) for batch in batches] == [n_crops] * len(batches)
    assert batches


def test_a_single_crop_still_makes_a_batch_of_two() -> None:
    (batch,) = _crops_of({"id_00": [64]}, "training.batch_size=1").train_dataloader()
    assert len(batch.frames) == 2


def test_four_times_the_sound_is_trained_twice_as_long() -> None:
    minutes: list[Any] = [np.zeros((1875, 128), np.float32)]
    drawn = [
        n_epochs(minutes * count, Config()) * len(PatchDataset(minutes * count, 32, step))
        for count, step in ((60, 11), (240, 32))
    ]
    assert drawn[1] / drawn[0] == pytest.approx(2, rel=0.15)


def test_little_sound_is_trained_for_a_few_epochs_and_a_given_number_stays() -> None:
    second: list[Any] = [np.zeros((32, 128), np.float32)]
    minutes: list[Any] = [np.zeros((10_000, 128), np.float32)]
    assert n_epochs(second, Config()) == MAX_EPOCHS
    assert n_epochs(minutes, Config()) == MIN_EPOCHS
    assert n_epochs(second, Config(training=TrainingConfig(epochs=3))) == 3
