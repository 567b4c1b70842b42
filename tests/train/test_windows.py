"""Whether an artifact's threshold can be fitted to the recordings."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edgeae.runtime.audio.recordings import Recording
from edgeae.runtime.errors import ConfigError
from edgeae.train.config import load_config
from edgeae.train.frame_store import Frames
from edgeae.train.torch_features import Features
from edgeae.train.windows import check_windows

CONFIG = load_config("tiny")


def recordings(*seconds: float, machine: str = "id_00") -> list[Features]:
    frames = [round(length * CONFIG.mel.frames_per_second) for length in seconds]
    return [
        Features(
            Recording(Path(f"data/train/normal_{i}.wav"), "normal", machine),
            cast(Frames, np.zeros((n_frames, CONFIG.mel.n_mels), np.float32)),
            "",
        )
        for i, n_frames in enumerate(frames)
    ]


@pytest.mark.parametrize("seconds", [(10.0,), (4.0, 4.0), (25.0,)])
def test_too_few_windows_are_refused_before_the_training(seconds: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"data/train: holds \d windows? of one machine"):
        check_windows(recordings(*seconds), CONFIG)


@pytest.mark.parametrize("seconds", [(4.0, 4.0, 4.0), (40.0,), (10.5, 10.5, 10.5)])
def test_three_windows_are_enough(seconds: tuple[float, ...]) -> None:
    check_windows(recordings(*seconds), CONFIG)


def test_the_windows_of_one_machine_count() -> None:
    with pytest.raises(ConfigError, match="holds 2 windows of one machine"):
        check_windows([*recordings(4.0, 4.0), *recordings(4.0, machine="id_01")], CONFIG)
