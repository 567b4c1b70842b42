"""Splits recordings into those that fit and those that validate, and cuts patches for the network.

frames of all recordings, one after the other:
|......... recording 0 .........|...... recording 1 ......|... recording 2 ...
 [== patch ==]                   [== patch ==]
     [== patch ==]                   [== patch ==]          starts are patch_step apart and
         [== patch ==]                   [== patch ==]      no patch crosses into the next one

For a network with an identity embedding, several patches in a row are cut as one crop.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.resample import PASSBAND
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

from .architectures import MASKING_STD_DB
from .config import Config
from .frame_store import Frames
from .torch_features import DEFAULT_CHUNK_FRAMES, Features

TARGET_PATCHES = 10_000  # in an epoch, about
# Patches that a training draws, for each root of the patches that its sound holds side by side:
# four times the sound, twice the steps. With 1.7 times as many, the validation loss of an hour of
# sound (500 recordings of a toy car) is .5 % lower.
PATCHES_PER_ROOT = 2400
MIN_EPOCHS = 5
MAX_EPOCHS = 25
T = TypeVar("T")
# A band that is nearly constant in training must not turn 0.1 dB into many deviations.
MIN_STD_DB = 1.0


@dataclass(frozen=True)
class Split:
    """Frames (n_frames, n_mels) in dB; a list item for each stretch that patches are cut from."""

    fit: list[Frames]
    validation: list[Frames]
    validating: frozenset[int]  # positions of the recordings that validate as a whole
    machines: list[str]  # of each stretch in ``fit``
    validation_machines: list[str]  # of each stretch in ``validation``

    @property
    def machine_names(self) -> list[str]:
        """The machines that fit, each once."""
        return sorted(set(self.machines))


def long_enough(
    recordings: Sequence[Features],
    patch_frames: int,
    report: Callable[[str], None],
    *,
    skip_bad: bool,
) -> list[Features]:
    """The recordings that hold at least one patch of ``patch_frames``.

    A shorter one raises AudioError, or is reported and skipped with ``skip_bad``.
    """

    def check(item: Features) -> None:
        if len(item.frames) < patch_frames:
            raise AudioError(
                f"{item.recording.path}: {len(item.frames)} frames are too short for one patch "
                f"of {patch_frames}; record longer or lower model.patch_frames"
            )

    return [item for item, _ in read_each(recordings, check, report, skip_bad=skip_bad)]


def split(recordings: Sequence[Features], config: Config) -> Split:
    """Hold out a share of every machine's recordings, at least one, chosen by the seed.

    A single recording of a machine is cut in time instead, if it is long enough for a patch on both
    sides: its end validates. Such a recording counts as one that fits.

    Raises ConfigError where nothing is left to validate with.
    """
    generator = np.random.default_rng(config.training.seed)
    machines = [item.recording.machine for item in recordings]
    validating: set[int] = set()
    for machine in sorted(set(machines)):
        positions = [i for i, name in enumerate(machines) if name == machine]
        if len(positions) > 1:
            count = max(1, round(config.data.validation * len(positions)))
            validating.update(int(i) for i in generator.permutation(positions)[:count])
    parts = Split([], [], frozenset(validating), [], [])
    counts = Counter(machines)
    for i, item in enumerate(recordings):
        _assign(parts, i, item, config, alone=counts[machines[i]] == 1)
    if not parts.validation:
        raise ConfigError(
            f"{recordings[0].recording.path.parent}: nothing to validate with; give each machine "
            f"two recordings, or one of at least {2 * config.model.patch_frames} frames"
        )
    return parts


def _assign(parts: Split, i: int, item: Features, config: Config, *, alone: bool) -> None:
    """Add recording ``i`` to the part it belongs to; alone: it is the only one of its machine."""
    patch = config.model.patch_frames
    n_frames = len(item.frames)
    n_fit = n_frames
    if i in parts.validating:
        n_fit = 0
    elif alone and n_frames >= 2 * patch:
        n_fit = n_frames - max(patch, round(config.data.validation * n_frames))
    if n_fit > 0:
        parts.fit.append(item.frames[:n_fit])
        parts.machines.append(item.recording.machine)
    if n_fit < n_frames:
        parts.validation.append(item.frames[n_fit:])
        parts.validation_machines.append(item.recording.machine)


def band_statistics(
    stretches: Sequence[Frames], spec: MelSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each band over all frames: two (n_mels,) in dB.

    The highest bands are masked: a device that records at another rate attenuates them by the
    filter of its resampler. They get a deviation so large that nothing in them counts.
    """
    n_frames = 0
    total = np.zeros(spec.n_mels)
    squares = np.zeros(spec.n_mels)
    # One pass is enough: float64 holds the squares of 100 dB to a billionth.
    for frames in _chunks(stretches):
        n_frames += len(frames)
        total = total + frames.sum(axis=0)
        squares = squares + np.square(frames).sum(axis=0)
    mean = total / n_frames
    variance = np.maximum(squares / n_frames - mean**2, 0)
    std = np.maximum(np.sqrt(variance), MIN_STD_DB)
    std[band_edges(spec)[2:] > PASSBAND * spec.sample_rate / 2] = MASKING_STD_DB
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _chunks(stretches: Sequence[Frames]) -> Iterator[Float64]:
    return (
        np.asarray(frames[k : k + DEFAULT_CHUNK_FRAMES], np.float64)
        for frames in stretches
        for k in range(0, len(frames), DEFAULT_CHUNK_FRAMES)
    )


def patch_step(stretches: Sequence[Frames], config: Config) -> int:
    """Frames from one training patch to the next.

    ``auto`` gives a minute and a day of recordings a similar number of patches: they overlap by all
    but one frame where there are few recordings, and not at all where there are many.
    """
    if config.data.patch_step != "auto":
        return config.data.patch_step
    frames = sum(len(stretch) for stretch in stretches)
    return min(max(1, frames // TARGET_PATCHES), config.model.patch_frames)


def n_epochs(stretches: Sequence[Frames], config: Config) -> int:
    """Number of epochs, as configured or, if that is ``auto``, by the amount of sound.

    The patches that are drawn grow with the root of the sound: the more sound there is, the more
    steps it deserves, and the less often each patch has to be repeated.
    """
    if config.training.epochs != "auto":
        return config.training.epochs
    patch_frames = config.model.patch_frames
    side_by_side = sum(len(stretch) for stretch in stretches) / patch_frames
    in_an_epoch = len(PatchDataset(stretches, patch_frames, patch_step(stretches, config)))
    drawn = PATCHES_PER_ROOT * math.sqrt(side_by_side)
    return min(max(MIN_EPOCHS, round(drawn / max(1, in_an_epoch))), MAX_EPOCHS)


class PatchDataset(Dataset[torch.Tensor]):
    """Patches (patch_frames, n_mels) in dB, ``step`` frames apart, of stretches (n_frames, n_mels).

    A patch is read from its file when it is needed, so that this process does not hold all frames.
    """

    def __init__(self, stretches: Sequence[Frames], patch_frames: int, step: int) -> None:
        self.stretches = stretches
        self.patch_frames = patch_frames
        self.step = step
        counts = [max(0, (len(frames) - patch_frames) // step + 1) for frames in stretches]
        self.ends = np.cumsum(counts, dtype=np.int64)  # patches up to the end of each stretch

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> torch.Tensor:
        """A batch: (len(indices), patch_frames, n_mels)."""
        return torch.from_numpy(np.stack([self._patch(index) for index in indices]))

    def _patch(self, index: int) -> Float32:
        stretch = int(np.searchsorted(self.ends, index, "right"))
        first = int(self.ends[stretch - 1]) if stretch else 0  # patch of the stretch
        start = (index - first) * self.step
        return np.asarray(self.stretches[stretch][start : start + self.patch_frames])


class Crops(NamedTuple):
    """A batch of crops."""

    frames: torch.Tensor  # (N, n_frames, n_mels) dB, several patches in a row
    machines: torch.Tensor  # (N,) position of each crop's machine in `Split.machine_names`


class CropDataset(Dataset[Crops]):
    """Crops, ``step`` frames apart, and the machine of each."""

    def __init__(
        self,
        stretches: Sequence[Frames],
        machines: Sequence[str],
        machine_names: Sequence[str],
        crop_frames: int,
        step: int,
    ) -> None:
        """machines: of each stretch, each one of ``machine_names``."""
        self._frames = PatchDataset(stretches, crop_frames, step)
        numbers = {name: number for number, name in enumerate(machine_names)}
        self._machines = np.array([numbers[name] for name in machines])

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Crops:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Crops:
        stretches = np.searchsorted(self._frames.ends, indices, "right")
        machines = torch.from_numpy(self._machines[stretches])
        return Crops(self._frames.__getitems__(indices), machines)


def crop_patches(stretches: Sequence[Frames], config: Config) -> int:
    """Number of patches in a crop: as configured, and no more than the shortest stretch holds."""
    shortest = min(len(frames) for frames in stretches)
    return max(1, min(config.identity.crop_patches, shortest // config.model.patch_frames))


class ShareSampler(DistributedSampler[Crops]):
    """Draws a new share of the data set in each epoch, a pure function of seed and epoch."""

    def __init__(
        self, crops: CropDataset, world_size: int, rank: int, *, seed: int, share: float
    ) -> None:
        super().__init__(crops, world_size, rank, shuffle=True, seed=seed)
        # Batch normalisation needs two.
        self._n_drawn = max(2, round(self.num_samples * share))

    def __len__(self) -> int:
        return self._n_drawn

    def __iter__(self) -> Iterator[Crops]:
        return islice(cycle(list(super().__iter__())), self._n_drawn)


class PatchData(LightningDataModule):
    """Batches (N, patch_frames, n_mels) in dB to fit and to validate with.

    A network with an identity embedding is fitted and validated with `Crops` instead. To fit, they
    hold as many patches in a batch and in an epoch.

    The order of an epoch is a pure function of seed and epoch (`DistributedSampler`, whose epoch
    Lightning sets), on one device as on several: a resumed run gets the same batches.
    """

    def __init__(self, parts: Split, config: Config) -> None:
        super().__init__()
        self.config = config
        patch_frames = config.model.patch_frames
        step = patch_step(parts.fit, config)
        self.fit = PatchDataset(parts.fit, patch_frames, step)
        self.validation = PatchDataset(parts.validation, patch_frames, patch_frames)
        self.crop_patches = crop_patches(parts.fit, config)
        self.crops = CropDataset(
            parts.fit, parts.machines, parts.machine_names, self.crop_patches * patch_frames, step
        )
        self.validation_crops = CropDataset(
            parts.validation,
            parts.validation_machines,
            parts.machine_names,
            crop_patches(parts.validation, config) * patch_frames,
            patch_frames,
        )
        self.n_epochs = n_epochs(parts.fit, config)

    def train_dataloader(self) -> DataLoader[torch.Tensor] | DataLoader[Crops]:
        if self.config.model.embedding_size:
            return self._crop_dataloader()
        size = self.config.training.batch_size
        sampler = self._sampler(self.fit, shuffle=True)
        # An incomplete batch would bias the running statistics of BatchNorm; its patches are used
        # in other epochs.
        return DataLoader(
            self.fit, size, sampler=sampler, collate_fn=_as_is, drop_last=len(sampler) >= size
        )

    def _crop_dataloader(self) -> DataLoader[Crops]:
        size = self._crops_in_a_batch()
        world_size, rank = self._world()
        sampler = ShareSampler(
            self.crops,
            world_size,
            rank,
            seed=self.config.training.seed,
            share=1 / self.crop_patches,
        )
        return DataLoader(
            self.crops, size, sampler=sampler, collate_fn=_as_is, drop_last=len(sampler) >= size
        )

    def val_dataloader(self) -> DataLoader[torch.Tensor] | DataLoader[Crops]:
        if self.config.model.embedding_size:
            return self._in_order(self.validation_crops, self._crops_in_a_batch())
        return self._in_order(self.validation, self.config.training.batch_size)

    def _in_order(self, items: Dataset[T], batch_size: int) -> DataLoader[T]:
        sampler = self._sampler(items, shuffle=False)
        return DataLoader(items, batch_size, sampler=sampler, collate_fn=_as_is)

    def _crops_in_a_batch(self) -> int:
        """As many as hold a batch of patches, but enough for each band shift and for none."""
        n_crops = self.config.training.batch_size // self.crop_patches
        return max(2, self.config.identity.n_changes, n_crops)

    def _sampler(self, items: Dataset[T], *, shuffle: bool) -> "DistributedSampler[T]":
        world_size, rank = self._world()
        seed = self.config.training.seed
        return DistributedSampler(items, world_size, rank, shuffle=shuffle, seed=seed)

    def _world(self) -> tuple[int, int]:
        """Number of processes, and the number of this one."""
        if self.trainer is None:
            return 1, 0
        return self.trainer.world_size, self.trainer.global_rank


def _as_is(batch: T) -> T:
    """The batch as `PatchDataset.__getitems__` collated it."""
    return batch
