"""The training frames that an export keeps on the disk."""

import gc
from pathlib import Path

import numpy as np
import pytest

from edgeae.quantize.training_frames import Computed, FramesOnDisk
from edgeae.runtime.errors import ConfigError


def test_frames_are_read_from_the_disk_and_removed_with_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    frames = np.arange(12, dtype=np.float32).reshape(3, 4)
    disk = FramesOnDisk(4)
    stored = [disk.write(frames), disk.write(frames[:1])]
    np.testing.assert_array_equal(np.asarray(stored[0]), frames)
    np.testing.assert_array_equal(np.asarray(stored[0][1:]), frames[1:])
    assert [len(each) for each in stored] == [3, 1]
    del disk
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FramesOnDisk(4)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgeae.quantize.training_frames.store", full)
    with pytest.raises(ConfigError, match=r"No space left on device\); set TMPDIR"):
        disk.write(np.zeros((1, 4), np.float32))


def test_items_are_computed_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def square(place: int) -> int:
        asked.append(place)
        return place**2

    squares = Computed(4, square)
    assert len(squares) == 4
    assert not asked
    assert squares[-1] == 9
    assert squares[1:3] == [1, 4]
    assert list(squares) == [0, 1, 4, 9]
    with pytest.raises(IndexError):
        squares[4]
