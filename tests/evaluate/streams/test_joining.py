"""Recordings of a data set as streams of frames, whatever their lengths and blocks."""

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgeae.evaluate.streams.joining import (
    KeptFrames,
    first_frames,
    frames_of,
    in_long_blocks,
    joined_frames,
)
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


@pytest.mark.parametrize("max_bytes", [0, 10**6, 10**9])
def test_frames_that_are_kept_are_those_of_the_recording(tmp_path: Path, max_bytes: int) -> None:
    spec = MelSpec()
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    rng = np.random.default_rng(0)
    for path in paths:
        soundfile.write(path, rng.standard_normal(16000 * 20) * 0.1, 16000)
    kept = KeptFrames(spec, max_bytes=max_bytes)
    next(kept.read(paths[0]))  # of which the remaining blocks are not read
    for path in [*paths, *paths]:
        frames = np.concatenate(list(kept.read(path)))
        assert np.array_equal(frames, read_log_mel(path, spec))


def test_frames_that_are_kept_are_read_from_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).standard_normal(16000) * 0.1, 16000)
    kept = KeptFrames(MelSpec())
    first = np.concatenate(list(kept.read(path)))
    path.unlink()
    assert np.array_equal(np.concatenate(list(kept.read(path))), first)


def test_long_blocks_hold_the_same_frames() -> None:
    frames = np.arange(20, dtype=np.float32).reshape(10, 2)
    blocks = list(in_long_blocks(np.split(frames, [1, 2, 6, 6, 9]), 3))
    assert [len(block) for block in blocks] == [6, 3, 1]
    assert np.array_equal(np.concatenate(blocks), frames)
    assert list(in_long_blocks([], 3)) == []
