"""The training recordings as the device will hear them: what a head is fitted on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.audio.batch import read_each
from edgeae.runtime.audio.recordings import Recording, scan
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.scoring.head import Kind
from edgeae.runtime.scoring.pipeline import Pipeline
from edgeae.runtime.system.arrays import Float32, Float64
from edgeae.train.config import Config

from .fit_fleet import fit_fleet

T = TypeVar("T")

GAIN_CLIPS = 24  # recordings that are made louder and softer, at most
GAIN_STEPS = (-12, -6, 6, 12)  # dB


@dataclass(frozen=True)
class TrainingSet:
    """The training recordings as the device will hear them."""

    recordings: list[Recording]
    frames: list[Float32]  # (n_frames, n_mels) dB of each
    held_out: frozenset[Path] = (
        frozenset()
    )  # those that the network was not fitted on, but validated with

    def patches(self, patch: int) -> list[Float32]:
        """(n, patch, n_mels) of each recording: side by side, and a last one that ends with it."""
        return [cut_patches(frames, patch) for frames in self.frames]

    def window(self, asked: float, config: Config) -> float:
        """The decision window in seconds: as asked, or what most of the recordings can fill."""
        patch = config.model.patch_frames
        seconds = patch / config.mel.frames_per_second
        held = round(float(np.median([len(frames) for frames in self.frames])) / patch)
        return min(asked, max(1, held) * seconds)

    def fit(self, pipeline: Pipeline, kind: Kind, false_alarms: str) -> dict[str, Any]:
        """The head and threshold of an artifact, see `edgeae.quantize.fit_fleet.fit_fleet`."""
        machines, held_out = self.machines(pipeline)
        gain = self.gain(pipeline)
        return fit_fleet(machines, gain, kind, pipeline.window, false_alarms, held_out=held_out)

    def machines(self, pipeline: Pipeline) -> tuple[list[Float64], list[NDArray[np.bool]]]:
        """Of each machine the features (n_windows, size) of windows that do not overlap, and which are held_out."""
        found: dict[str, list[tuple[Float64, bool]]] = {}
        for recording, frames in zip(self.recordings, self.frames, strict=True):
            windows = pipeline.independent(pipeline.windows_of_frames(frames))
            found.setdefault(recording.machine, []).append(
                (windows, recording.path in self.held_out)
            )
        machines = [np.concatenate([windows for windows, _ in parts]) for parts in found.values()]
        held_out = [
            np.concatenate([np.full(len(w), new) for w, new in parts]) for parts in found.values()
        ]
        return machines, held_out

    def gain(self, pipeline: Pipeline) -> Float64:
        """(n, size) by which the features of windows change with the gain, see `Fleet.fit`.

        Their squares add up to those of one recording, mean of some, at all steps.
        """
        few = spread(self.frames, GAIN_CLIPS)
        heard = [self._mean(pipeline, frames) for frames in few]
        changes = [
            self._mean(pipeline, frames + np.float32(step)) - mean
            for step in GAIN_STEPS
            for frames, mean in zip(few, heard, strict=True)
        ]
        return np.asarray(np.array(changes) / np.sqrt(len(few)))

    @staticmethod
    def _mean(pipeline: Pipeline, frames: Float32) -> Float64:
        return np.asarray(pipeline.independent(pipeline.windows_of_frames(frames)).mean(axis=0))


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of ``items``, evenly spread."""
    return [
        items[i] for i in np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    ]


def cut_patches(frames: Float32, patch: int) -> Float32:
    """(n_frames, n_mels) -> (n, patch, n_mels): side by side, and a last one that ends with the last frame."""
    whole = len(frames) // patch * patch
    parts = [frames[:whole].reshape(-1, patch, frames.shape[1])]
    return np.concatenate([*parts, frames[None, -patch:]] if len(frames) > whole else parts)


def data_of(run: Path) -> Path:
    """The data set that ``run`` was trained on; ConfigError if it does not say."""
    try:
        folder = Path(json.loads((run / "data.json").read_text())["folder"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{run}: does not say what it was trained on; give --data DATA"
        ) from error
    if not folder.is_dir():
        raise ConfigError(
            f"{run}: was trained on {folder}, which is not there any more; give --data DATA"
        )
    return folder


def validated(run: Path, data: Path) -> frozenset[Path]:
    """The recordings of ``data`` that ``run`` validated with; none where it does not say."""
    try:
        recordings = json.loads((run / "data.json").read_text())["recordings"]
        return frozenset(data / item["file"] for item in recordings if item["part"] == "validation")
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def read_sound(
    data: Path, config: Config, report: Callable[[str], None], *, skip_bad: bool
) -> TrainingSet:
    """The training recordings of ``data``, through the device's front end."""

    def read(recording: Recording) -> Float32:
        frames = read_log_mel(recording.path, config.mel, config.data.channel)
        if len(frames) < config.model.patch_frames:
            raise AudioError(
                f"{recording.path}: {len(frames)} frames; {config.model.patch_frames} are needed"
            )
        return frames

    found = read_each(scan(data, "train"), read, report, skip_bad=skip_bad)
    return TrainingSet([recording for recording, _ in found], [frames for _, frames in found])
