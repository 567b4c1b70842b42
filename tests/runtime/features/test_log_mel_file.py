"""Log-mel features of recordings and of precomputed arrays."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeae.runtime.errors import AudioError
from edgeae.runtime.features.log_mel_file import read_log_mel
from edgeae.runtime.features.mel import MelSpec, log_mel
from tests.runtime.conftest import read_samples

SECOND = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.float32)
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 40000).astype(np.float32)


def encoded(samples: NDArray[Any], samplerate: int = 16000, kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, samplerate, format=kind, subtype="PCM_16")
    return buffer.getvalue()


def saved(array: NDArray[Any], *, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    """The one sentence that names the file."""
    with pytest.raises(AudioError) as caught:
        read_log_mel(path, MelSpec())
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


FRAMES = log_mel(SECOND)
MEL = saved(FRAMES)
BAD_ARRAYS = {
    "one axis": (
        saved(np.zeros(128, np.float32)),
        "shape (128,); a log-mel array is float, (n_frames, 128), dB",
    ),
    "three axes": (saved(np.zeros((2, 3, 128), np.float32)), "shape (2, 3, 128)"),
    "other bands": (saved(np.zeros((30, 64), np.float32)), "shape (30, 64)"),
    "transposed": (saved(FRAMES.T), "shape (128, 30)"),
    "integers": (saved(np.zeros((30, 128), np.int16)), "holds int16"),
    "complex": (saved(np.zeros((30, 128), complex)), "holds complex128"),
    "no frames": (saved(np.zeros((0, 128), np.float32)), "shape (0, 128)"),
    "nan": (saved(np.full((3, 128), np.nan)), "not numbers"),
    "infinite": (saved(np.full((3, 128), -np.inf, np.float32)), "not numbers"),
    "beyond float32": (saved(np.full((3, 128), 1e300)), "beyond 1000 dB"),
    "pickle": (
        saved(np.array([{}], dtype=object), allow_pickle=True),
        "not a readable NumPy array",
    ),
    "truncated": (MEL[:1000], "not a readable NumPy array"),
    "short header": (MEL[:50], "not a readable NumPy array"),
    "more promised than there is": (
        MEL.replace(b"(30, 128)", b"(9999999999, 128)"),
        "not a readable NumPy array",
    ),
    "zip archive": (b"PK\x03\x04" + bytes(60), "not a readable NumPy array"),
    "text": (b"No array.\n" * 20, "not a readable NumPy array"),
    "empty": (b"", "not a readable NumPy array"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_log_mel_array_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, expected = BAD_ARRAYS[name]
    path = tmp_path / f"{name}.npy"
    path.write_bytes(content)
    assert expected in refusal(path)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    changes=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_a_damaged_log_mel_array_is_refused_or_read_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(MEL)
    for at, byte in changes:
        damaged[at] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(damaged)
    try:
        assert np.isfinite(read_log_mel(path, MelSpec())).all()
    except AudioError as error:
        assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize("array", [FRAMES, FRAMES.astype(">f8"), np.asfortranarray(FRAMES)])
@pytest.mark.parametrize("name", ["a.npy", "A.NPY"])
def test_a_log_mel_array_is_used_as_it_is(name: str, array: NDArray[Any], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(saved(array))
    frames = read_log_mel(path, MelSpec())
    np.testing.assert_array_equal(frames, FRAMES)
    assert frames.dtype == np.float32
    frames[:] = 0  # a copy: the file is closed and unchanged
    np.testing.assert_array_equal(np.load(path), FRAMES)


def test_log_mel_of_a_file_is_log_mel_of_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "noise.flac"
    path.write_bytes(encoded(NOISE, 44100, kind="FLAC"))
    np.testing.assert_array_equal(read_log_mel(path, MelSpec()), log_mel(read_samples(path, 16000)))


def test_a_recording_shorter_than_a_frame_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "click.wav"
    path.write_bytes(encoded(NOISE[:100]))
    assert read_log_mel(path, MelSpec()).shape == (0, 128)
