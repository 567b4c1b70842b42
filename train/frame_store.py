"""Log-mel frames that stay on disk: slicing reads nothing, ``np.asarray`` reads the slice.

Read by plain reads and not by a memory map, which would count every page read as memory of the
process, and keep a file descriptor per recording. The file is a ``.npy`` of version 1, whose header
is written again when all frames are written, with a checksum behind the frames.
"""

import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import DTypeLike

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float32
from edgeae.runtime.system.files import create_file

ITEM = np.dtype("<f4")
CHECKSUM_BYTES = 4  # CRC-32 of the frames, behind them
READ_BYTES = 1 << 20


class Frames(Protocol):
    """(n_frames, n_mels) dB, in memory or on disk; ``np.asarray`` reads them."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> "Frames": ...

    def __array__(self, dtype: DTypeLike | None = None, /) -> Float32: ...


@dataclass(frozen=True)
class StoredFrames:
    """Frames ``first`` to ``last`` of a file, whose frames begin at byte ``offset``."""

    path: Path
    n_mels: int
    offset: int
    first: int
    last: int

    @classmethod
    def open(cls, path: Path, n_mels: int) -> "StoredFrames | None":
        """All frames of a file, which is read once to compare its checksum.

        None if it is missing, damaged or of something else.
        """
        with suppress(OSError, ValueError), path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                return None
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if len(shape) != 2 or shape[1] != n_mels or dtype != ITEM:
                return None
            offset = file.tell()
            size = os.fstat(file.fileno()).st_size
            n_bytes = shape[0] * n_mels * ITEM.itemsize
            if size == offset + n_bytes + CHECKSUM_BYTES and _is_whole(file, n_bytes):
                return cls(path, n_mels, offset, 0, shape[0])
        return None

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, part: slice) -> "StoredFrames":
        start, stop, _ = part.indices(len(self))
        return replace(self, first=self.first + start, last=self.first + max(start, stop))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Float32:
        frames = np.empty((len(self), self.n_mels), ITEM)
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)  # a fifth of the time of Path.open
        try:
            read = os.preadv(
                file, [frames.data], self.offset + self.first * self.n_mels * ITEM.itemsize
            )
        finally:
            os.close(file)
        if read < frames.nbytes:
            raise ConfigError(f"{self.path}: was cut short while it was in use; start again")
        return frames.astype(dtype or ITEM, copy=False)


def store(path: Path, chunks: Iterable[Float32], n_mels: int) -> None:
    """Write chunks (n, n_mels) in their order to a temporary file, then rename it to ``path``."""
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.unlink(missing_ok=True)
    n_frames = 0
    try:
        with os.fdopen(create_file(unfinished), "wb") as file:
            _write_header(file, n_frames, n_mels)
            checksum = 0
            for chunk in chunks:
                content = np.ascontiguousarray(chunk, ITEM).tobytes()
                file.write(content)
                checksum = zlib.crc32(content, checksum)
                n_frames += len(chunk)
            file.write(checksum.to_bytes(CHECKSUM_BYTES, "little"))
            file.seek(0)
            _write_header(file, n_frames, n_mels)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_whole(file: BinaryIO, n_bytes: int) -> bool:
    """Whether the frames that follow in a file have the checksum behind them."""
    checksum = 0
    while n_bytes:
        content = file.read(min(n_bytes, READ_BYTES))
        if not content:
            return False
        checksum = zlib.crc32(content, checksum)
        n_bytes -= len(content)
    return file.read() == checksum.to_bytes(CHECKSUM_BYTES, "little")


def _write_header(file: BinaryIO, n_frames: int, n_mels: int) -> None:
    """Write the header of a ``.npy``; its length does not depend on ``n_frames``.

    NumPy leaves room for a longer first dimension.
    """
    header = {"descr": ITEM.str, "fortran_order": False, "shape": (n_frames, n_mels)}
    np.lib.format.write_array_header_1_0(file, header)
