"""Recordings of a data set as streams of frames, whatever their lengths and blocks."""

from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from edgeae.evaluate.streams.joining import first_frames, frames_of, joined_frames
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec


def test_frames_come_in_blocks_and_equal_the_whole(tmp_path: Path) -> None:
    spec = MelSpec()
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).standard_normal(44100 * 25) * 0.1, 44100)
    blocks = list(frames_of(path, spec))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), read_log_mel(path, spec))
    first = np.concatenate(list(first_frames(cycle(blocks), 1000)))
    assert np.array_equal(first, np.concatenate([*blocks, *blocks])[:1000])
    twice = np.concatenate(list(joined_frames([path, path], spec, fade_seconds=1.0)))
    assert len(twice) == 2 * len(np.concatenate(blocks)) - round(spec.frames_per_second)
