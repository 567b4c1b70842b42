"""Whether the recordings hold as many decision windows as an artifact's threshold needs."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edgeae.runtime.errors import ConfigError

from .config import Config
from .torch_features import Features

MIN_WINDOWS = 3  # of one machine, the fewest that a calibration can be simulated with


def check_windows(recordings: Sequence[Features], config: Config) -> None:
    """ConfigError if `edgeae export` could fit no threshold to the recordings."""
    patch_frames = config.model.patch_frames
    patches = [len(item.frames) // patch_frames for item in recordings]
    asked = config.scoring.window * config.mel.frames_per_second / patch_frames
    median = float(np.median([len(item.frames) for item in recordings])) / patch_frames
    window = max(1.0, min(asked, max(1, round(median))))
    counts = Counter[str]()
    for item, n_patches in zip(recordings, patches, strict=True):
        counts[item.recording.machine] += max(1, int(n_patches // window))
    longest = max(counts.values())
    if longest < MIN_WINDOWS:
        seconds = MIN_WINDOWS * window * patch_frames / config.mel.frames_per_second
        raise ConfigError(
            f"{recordings[0].recording.path.parent}: holds {longest} "
            f"window{'s' * (longest != 1)} of one machine, of which a threshold needs "
            f"{MIN_WINDOWS}, better 100; record at least {seconds:.0f} s of one machine"
        )
