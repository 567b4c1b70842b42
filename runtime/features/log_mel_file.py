"""Log-mel features stored in .npy files."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio.channel import Channel
from ..audio.resample import resampled
from ..audio.sound_file import AudioFile, reason_of
from ..errors import AudioError
from ..system.arrays import Float32
from .mel import MelSpec, MelStream

MAX_FRAMES = 1 << 18  # of a stored array, two hours
MAX_ABS_DB = 1000.0  # of the values of a stored array

# Exceptions that a damaged header raises: NumPy passes it to Python's parser.
HEADER_ERRORS = (
    ValueError,
    SyntaxError,
    OSError,
    ArithmeticError,
    TypeError,
    TokenError,
    RecursionError,
    MemoryError,
)


def read_log_mel(path: str | Path, spec: MelSpec, channel: Channel = 0) -> Float32:
    """The log-mel (n_frames, n_mels), dB, of a recording or of a ``.npy`` file that holds it."""
    if Path(path).suffix.lower() == ".npy":
        return _read_npy(Path(path), spec)
    with AudioFile(path, channel) as audio:
        sound = resampled(audio.blocks(), audio.samplerate, spec.sample_rate)
        return np.concatenate(list(MelStream(spec).frames(sound)))


def _read_npy(path: Path, spec: MelSpec) -> Float32:
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    try:
        array = _mapped(path)
    except HEADER_ERRORS as error:
        raise AudioError(
            f"{path}: not a readable NumPy array ({reason_of(error)}); compute it again"
        ) from error
    if spec != MelSpec():
        raise AudioError(
            f"{path}: log-mel arrays are of the default features; this model has others, give audio"
        )
    if (
        array.ndim != 2
        or array.shape[1] != spec.n_mels
        or array.dtype.kind != "f"
        or not len(array)
    ):
        raise AudioError(
            f"{path}: holds {array.dtype} of shape {array.shape}; "
            f"a log-mel array is float, (n_frames, {spec.n_mels}), dB"
        )
    if len(array) > MAX_FRAMES:
        raise AudioError(
            f"{path}: holds {len(array)} frames; at most {MAX_FRAMES} are read at once, split it"
        )
    if not np.isfinite(array).all():
        raise AudioError(f"{path}: holds values that are not numbers (NaN or infinite)")
    if np.abs(array).max() > MAX_ABS_DB:
        raise AudioError(f"{path}: holds values beyond {MAX_ABS_DB:g} dB; a log-mel array is in dB")
    return np.array(array, np.float32)


def _mapped(path: Path) -> NDArray[Any]:
    """The array of a file as a memory map, which reserves no memory for a large header."""
    with path.open("rb") as file:
        # Later versions allow headers of up to 4 GiB, which no array of numbers needs.
        if file.read(7)[6:] != b"\x01":
            raise ValueError("not of version 1")
    # A product of a huge shape overflows.
    with np.errstate(over="raise"):
        return np.lib.format.open_memmap(path, mode="r")
