"""Which channel has sound where the one that was read has none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.runtime.audio.channel import Channel
from edgeae.runtime.audio.other_channel import LevelSum, advice_for_silence, channel_with_sound
from edgeae.runtime.system.arrays import Float64

RATE = 8000
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, RATE)
DEAD = np.zeros(RATE)


def recording(path: Path, *channels: Float64) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), RATE)
    return path


@pytest.mark.parametrize(
    ("channels", "read", "other", "advice"),
    [
        ([DEAD, NOISE], 0, 1, "there is sound on another channel: use --channel 1, or mix"),
        ([NOISE, DEAD], 1, 0, "there is sound on another channel: use --channel 0, or mix"),
        ([DEAD, DEAD, NOISE], 0, 2, "there is sound on another channel: use --channel 2, or mix"),
        ([DEAD + 0.01, NOISE], 0, 1, "there is sound on another channel: use --channel 1, or mix"),
        ([NOISE, -NOISE], "mix", 0, "its channels cancel each other: use --channel 0"),
        ([DEAD, DEAD], 0, None, "remove it, and check the microphone"),
        ([DEAD], 0, None, "remove it, and check the microphone"),
    ],
)
def test_the_channel_with_sound_is_named(
    channels: list[Float64], read: Channel, other: int | None, advice: str, tmp_path: Path
) -> None:
    path = recording(tmp_path / "a.wav", *channels)
    assert channel_with_sound(path, read) == other
    assert advice_for_silence(path, read) == advice


def test_a_file_that_cannot_be_read_has_no_channel(tmp_path: Path) -> None:
    assert channel_with_sound(tmp_path / "missing.wav", 0) is None


def test_a_constant_has_no_level() -> None:
    meter = LevelSum()
    blocks = [np.full(100, 0.1, np.float32), np.full(50, 0.1, np.float32)]
    assert [len(block) for block in meter.passing(blocks)] == [100, 50]
    assert meter.level_dbfs < -100
    assert LevelSum().level_dbfs == -120
