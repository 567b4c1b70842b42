import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float32
from edgeae.train.frame_store import StoredFrames, store


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredFrames, np.ndarray]:
    frames = np.random.default_rng(0).normal(-40, 5, (50, 128)).astype(np.float32)
    path = tmp_path_factory.mktemp("stored") / "frames.npy"
    store(path, np.split(frames, [7, 7, 30]), 128)
    found = StoredFrames.open(path, 128)
    assert found
    return found, frames


def test_it_is_an_array_for_numpy(stored: tuple[StoredFrames, np.ndarray]) -> None:
    found, frames = stored
    assert np.array_equal(np.load(found.path), frames)
    assert np.array_equal(np.asarray(found), frames)
    assert np.asarray(found, np.float64).dtype == np.float64
    assert [path.name for path in found.path.parent.iterdir()] == ["frames.npy"]


@given(*[st.one_of(st.none(), st.integers(-60, 60))] * 4)
def test_a_slice_is_that_of_the_array(
    stored: tuple[StoredFrames, np.ndarray],
    a: int | None,
    b: int | None,
    c: int | None,
    d: int | None,
) -> None:
    found, frames = stored
    assert len(found[a:b]) == len(frames[a:b])
    assert np.array_equal(np.asarray(found[a:b][c:d]), frames[a:b][c:d])


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    def chunks() -> Iterator[Float32]:
        yield np.zeros((2, 128), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store(tmp_path / "frames.npy", chunks(), 128)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [np.zeros((3, 64), "<f4"), np.zeros((3, 128), "<f8"), np.zeros(128, "<f4")]
)
def test_an_array_of_something_else_is_none(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "frames.npy", array)
    assert StoredFrames.open(tmp_path / "frames.npy", 128) is None
    assert StoredFrames.open(tmp_path / "missing.npy", 128) is None


def test_a_file_that_is_cut_while_it_is_used_is_one_sentence(tmp_path: Path) -> None:
    store(tmp_path / "frames.npy", [np.zeros((9, 128), np.float32)], 128)
    frames = StoredFrames.open(tmp_path / "frames.npy", 128)
    os.truncate(tmp_path / "frames.npy", 1000)
    with pytest.raises(ConfigError, match="cut short"):
        np.asarray(frames)


def test_a_damaged_value_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    store(path, [np.ones((5, 3), np.float32)], 3)
    assert StoredFrames.open(path, 3) is not None
    content = bytearray(path.read_bytes())
    content[-16:-12] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    assert StoredFrames.open(path, 3) is None
