"""A small data set of coloured noise, for tests that need recordings on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

if TYPE_CHECKING:
    from edgeae.train.summary import Tested

Maker = Callable[..., Path]


@pytest.fixture
def make_data(tmp_path: Path) -> Maker:
    """``make_data(recordings, seconds, machine)`` adds normal WAV files to one data set and gives its folder."""

    def make(recordings: int = 6, seconds: float = 3.0, machine: str = "id_01") -> Path:
        folder = tmp_path / "data" / "train"
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([ord(letter) for letter in machine])
        for i in range(recordings):
            noise = np.cumsum(rng.standard_normal(int(16000 * seconds)) * 0.01) * 0.1
            soundfile.write(folder / f"normal_{machine}_{i:04d}.wav", noise - noise.mean(), 16000, "FLOAT")
        return folder.parent

    return make


@pytest.fixture(scope="session")
def tested(trained: Any) -> "dict[str, Tested]":
    """The test of the new machine, calibrated on five clips; nothing is played as a stream."""
    from edgeae.runtime import Detector
    from edgeae.train.evaluate import evaluate_all

    how: Any = {"calibration_clips": 5, "kind": None, "channel": 0, "skip_bad": False, "report": print}
    return evaluate_all(Detector.load(trained.int8), trained.new, **how, listening=False)[0]
