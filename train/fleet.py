"""The training recordings as the device will hear them: what a head is fitted on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeae.runtime.audio import read_each, read_log_mel
from edgeae.runtime.detector import Pipeline
from edgeae.runtime.errors import AudioError, ConfigError
from edgeae.runtime.fitting import fit_fleet
from edgeae.runtime.head import Float64, Kind
from edgeae.runtime.mel import Float32
from edgeae.runtime.recordings import Recording, scan

from .config import Config

GAIN_CLIPS = 40  # recordings that are made louder and softer, at most
GAIN_STEP = np.float32(3.0)  # dB


@dataclass(frozen=True)
class Sound:
    """The training recordings as the device will hear them."""

    recordings: list[Recording]
    frames: list[Float32]  # (n_frames, n_mels) dB of each

    def patches(self, patch: int) -> list[Float32]:
        """(n, patch, n_mels) of each recording: side by side, and a last one that ends with it."""
        return [_cut(frames, patch) for frames in self.frames]

    def window(self, asked: float, config: Config) -> float:
        """The decision window in seconds: as asked, or what most of the recordings can fill."""
        patch = config.model.patch_frames
        seconds = patch / config.mel.frames_per_second
        held = round(float(np.median([len(frames) for frames in self.frames])) / patch)
        return min(asked, max(1, held) * seconds)

    def fit(self, pipeline: Pipeline, kind: Kind, false_alarms: str) -> dict[str, Any]:
        """The head and threshold of an artifact, see `edgeae.runtime.fitting.fit_fleet`."""
        return fit_fleet(self.machines(pipeline), self.gain(pipeline), kind, pipeline.window, false_alarms)

    def machines(self, pipeline: Pipeline) -> list[Float64]:
        """Coordinates (n_windows, size) of each machine's windows that do not overlap."""
        found: dict[str, list[Float64]] = {}
        for recording, frames in zip(self.recordings, self.frames, strict=True):
            windows = pipeline.independent(pipeline.windows_of_frames(frames))
            found.setdefault(recording.machine, []).append(windows)
        return [np.concatenate(windows) for windows in found.values()]

    def gain(self, pipeline: Pipeline) -> Float64:
        """(size,) by which the coordinates of a window change where the sound is 1 dB louder."""
        few = [self.frames[i] for i in np.linspace(0, len(self.frames) - 1, GAIN_CLIPS).astype(int)]
        changed = [
            np.mean(
                [pipeline.independent(pipeline.windows_of_frames(frames + step)).mean(axis=0) for frames in few], axis=0
            )
            for step in (GAIN_STEP, -GAIN_STEP)
        ]
        return np.asarray((changed[0] - changed[1]) / (2 * GAIN_STEP))


def _cut(frames: Float32, patch: int) -> Float32:
    whole = len(frames) // patch * patch
    parts = [frames[:whole].reshape(-1, patch, frames.shape[1])]
    return np.concatenate([*parts, frames[None, -patch:]] if len(frames) > whole else parts)


def data_of(run: Path) -> Path:
    """The data set that ``run`` was trained on; ConfigError if it does not say."""
    try:
        return Path(json.loads((run / "data.json").read_text())["folder"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{run}: does not say what it was trained on; give --data DATA") from error


def read_sound(data: Path, config: Config, report: Callable[[str], None], *, skip_bad: bool) -> Sound:
    """The training recordings of ``data``, through the device's front end."""

    def read(recording: Recording) -> Float32:
        frames = read_log_mel(recording.path, config.mel, config.data.channel)
        if len(frames) < config.model.patch_frames:
            raise AudioError(f"{recording.path}: {len(frames)} frames; {config.model.patch_frames} are needed")
        return frames

    found = read_each(scan(data, "train"), read, report, skip_bad=skip_bad)
    return Sound([recording for recording, _ in found], [frames for _, frames in found])
