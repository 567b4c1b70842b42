"""Which recordings fit and which validate, and their frames as patches for the network.

frames of all recordings, one after the other:
|......... recording 0 .........|...... recording 1 ......|... recording 2 ...
 [== patch ==]                   [== patch ==]
     [== patch ==]                   [== patch ==]          starts are patch_step apart and
         [== patch ==]                   [== patch ==]      no patch crosses into the next one
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.resample import PASSBAND
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.mel import MelSpec, band_edges
from edgeae.runtime.system.arrays import Float32, Float64

from .config import Config
from .frame_store import Frames
from .torch_features import CHUNK, Features

PATCHES = 10_000  # in an epoch, about
DEAF_STD = 1e6  # dB: of a band that is not to be heard
STD_FLOOR = (
    1.0  # dB: a band that hardly moves in training must not turn 0.1 dB into many deviations
)


@dataclass(frozen=True)
class Split:
    """Frames (n_frames, n_mels) in dB, a list item for each stretch that patches may be cut from."""

    fit: list[Frames]
    validation: list[Frames]
    validating: frozenset[int]  # positions of the recordings that validate as a whole


def long_enough(
    found: Sequence[Features], patch_frames: int, report: Callable[[str], None], *, skip_bad: bool
) -> list[Features]:
    """The features with at least one patch; a shorter recording is an error, or skipped with ``skip_bad``."""

    def check(item: Features) -> None:
        if len(item.frames) < patch_frames:
            raise AudioError(
                f"{item.recording.path}: {len(item.frames)} frames are too short for one patch of {patch_frames}; "
                f"record longer or lower model.patch_frames"
            )

    return [item for item, _ in read_each(found, check, report, skip_bad=skip_bad)]


def split(found: Sequence[Features], config: Config) -> Split:
    """Hold out a share of every machine's recordings, at least one, chosen by the seed.

    A machine with a single recording is cut in time instead, if it is long enough for a patch on
    both sides: its end validates. Such a recording counts as one that fits. Raises ConfigError
    where nothing is left to validate with.
    """
    generator = np.random.default_rng(config.training.seed)
    machines = [item.recording.machine for item in found]
    validating: set[int] = set()
    for machine in sorted(set(machines)):
        mine = [i for i, name in enumerate(machines) if name == machine]
        if len(mine) > 1:
            count = max(1, round(config.data.validation * len(mine)))
            validating.update(int(i) for i in generator.permutation(mine)[:count])
    parts, counts = Split([], [], frozenset(validating)), Counter(machines)
    for i, item in enumerate(found):
        _assign(parts, i, item.frames, config, alone=counts[machines[i]] == 1)
    if not parts.validation:
        raise ConfigError(
            f"{found[0].recording.path.parent}: nothing to validate with; give each machine two recordings, "
            f"or one of at least {2 * config.model.patch_frames} frames"
        )
    return parts


def _assign(parts: Split, i: int, frames: Frames, config: Config, *, alone: bool) -> None:
    patch = config.model.patch_frames
    if i in parts.validating:
        parts.validation.append(frames)
    elif alone and len(frames) >= 2 * patch:
        cut = len(frames) - max(patch, round(config.data.validation * len(frames)))
        parts.fit.append(frames[:cut])
        parts.validation.append(frames[cut:])
    else:
        parts.fit.append(frames)


def band_statistics(
    stretches: Sequence[Frames], spec: MelSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each band over all frames: two (n_mels,) in dB.

    The highest bands, which a device that records at another rate hears through the resampler's filter,
    are given so large a deviation that nothing in them counts.
    """
    n, total, squares = 0, np.zeros(spec.n_mels), np.zeros(spec.n_mels)
    for frames in _chunks(
        stretches
    ):  # float64 holds the squares of 100 dB to a billionth: one pass will do
        n, total, squares = (
            n + len(frames),
            total + frames.sum(axis=0),
            squares + np.square(frames).sum(axis=0),
        )
    mean = total / n
    std = np.maximum(np.sqrt(np.maximum(squares / n - mean**2, 0)), STD_FLOOR)
    std[band_edges(spec)[2:] > PASSBAND * spec.sample_rate / 2] = DEAF_STD
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _chunks(stretches: Sequence[Frames]) -> Iterator[Float64]:
    return (
        np.asarray(frames[k : k + CHUNK], np.float64)
        for frames in stretches
        for k in range(0, len(frames), CHUNK)
    )


def patch_step(stretches: Sequence[Frames], config: Config) -> int:
    """Frames from one training patch to the next.

    ``auto`` keeps the steps of an epoch alike for a minute and for a day of recordings: patches
    overlap by all but one frame where there is little sound, and not at all where there is much.
    """
    if config.data.patch_step != "auto":
        return config.data.patch_step
    frames = sum(len(stretch) for stretch in stretches)
    return min(max(1, frames // PATCHES), config.model.patch_frames)


class PatchDataset(Dataset[torch.Tensor]):
    """Patches (patch_frames, n_mels) in dB, ``step`` frames apart, of stretches (n_frames, n_mels).

    They are read when they are asked for: what the system keeps of the files is its cache, not this process's.
    """

    def __init__(self, stretches: Sequence[Frames], patch_frames: int, step: int) -> None:
        self.stretches, self.patch_frames, self.step = stretches, patch_frames, step
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
        start = (index - int(self.ends[stretch - 1]) * (stretch > 0)) * self.step
        return np.asarray(self.stretches[stretch][start : start + self.patch_frames])


class PatchData(LightningDataModule):
    """Batches (N, patch_frames, n_mels) in dB to fit and to validate with.

    The order of an epoch is a pure function of seed and epoch (`DistributedSampler`, to which
    Lightning tells the epoch), on one device as on several: a resumed run sees the same batches.
    """

    def __init__(self, parts: Split, config: Config) -> None:
        super().__init__()
        self.config = config
        self.fit = PatchDataset(parts.fit, config.model.patch_frames, patch_step(parts.fit, config))
        self.validation = PatchDataset(
            parts.validation, config.model.patch_frames, config.model.patch_frames
        )

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        size = self.config.training.batch_size
        sampler = self._sampler(self.fit, shuffle=True)
        # An incomplete batch would pull the running statistics of BatchNorm; its patches come in other epochs.
        return DataLoader(
            self.fit, size, sampler=sampler, collate_fn=_as_is, drop_last=len(sampler) >= size
        )

    def val_dataloader(self) -> DataLoader[torch.Tensor]:
        sampler = self._sampler(self.validation, shuffle=False)
        return DataLoader(
            self.validation, self.config.training.batch_size, sampler=sampler, collate_fn=_as_is
        )

    def _sampler(
        self, patches: PatchDataset, *, shuffle: bool
    ) -> "DistributedSampler[torch.Tensor]":
        ranks, rank = (
            (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        )
        return DistributedSampler(
            patches, ranks, rank, shuffle=shuffle, seed=self.config.training.seed
        )


def _as_is(batch: Any) -> Any:
    return batch  # `__getitems__` has collated it
