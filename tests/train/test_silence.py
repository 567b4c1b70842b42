"""Silence and constants are no training data."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.audio.recordings import scan
from edgeae.runtime.errors import AudioError
from edgeae.runtime.system.arrays import Float64
from edgeae.train.config import Config
from edgeae.train.silence import with_sound
from edgeae.train.torch_features import Features, features

RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal(32000)


def read(folder: Path, samples: Float64) -> list[Features]:
    (folder / "train").mkdir()
    soundfile.write(folder / "train/normal_0.wav", samples, 16000, "FLOAT")
    return features(scan(folder, "train"), Config(), folder / "cache")


@pytest.mark.parametrize(
    "samples",
    [np.zeros(32000), np.full(32000, 0.1), 2e-5 * NOISE, 0.01 + 2e-5 * np.cumsum(NOISE) / 200],
    ids=["zeros", "constant", "noise", "offset and brown noise"],
)
def test_silence_and_constants_are_refused_or_skipped(samples: Float64, tmp_path: Path) -> None:
    recordings = read(tmp_path, samples)
    messages: list[str] = []
    with pytest.raises(AudioError):
        with_sound(recordings, 0, messages.append, skip_bad=False)
    assert messages == [
        f"{tmp_path / 'train/normal_0.wav'}: silent (below -90 dBFS) or constant; "
        "remove it, and check the microphone"
    ]


def test_quiet_sound_is_kept(tmp_path: Path) -> None:
    recordings = read(tmp_path, 1e-4 * NOISE)
    assert with_sound(recordings, 0, print, skip_bad=False) == recordings
