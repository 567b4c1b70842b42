"""The log-mel of many recordings on the disk: ten hours of sound would take 600 MB of memory.

They lie in a temporary folder, below TMPDIR or /var/tmp: /tmp is memory on many computers.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TypeVar, overload
from weakref import finalize

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float32
from edgeae.train.frame_store import StoredFrames, store

T = TypeVar("T")


class FramesOnDisk:
    """Writes the log-mel of recordings, and reads each when it is asked for.

    The files are removed when the object is no longer used.
    """

    def __init__(self, n_mels: int) -> None:
        self._n_mels = n_mels
        self._folder = Path(mkdtemp(prefix="edgeae-export-", dir=_parent_folder()))
        self._n_written = 0
        # Unlike a TemporaryDirectory, it warns nobody when the last reader is gone.
        finalize(self, rmtree, self._folder, ignore_errors=True)

    def write(self, frames: Float32) -> StoredFrames:
        """Write (n_frames, n_mels) dB; what it returns reads them.

        Raises ConfigError if there is no room.
        """
        path = self._folder / f"{self._n_written}.npy"
        self._n_written += 1
        try:
            store(path, [frames], self._n_mels)
        except OSError as error:
            raise ConfigError(
                f"{path.parent}: the features cannot be written ({error.strerror}); "
                f"set TMPDIR to a folder with more room"
            ) from error
        stored = StoredFrames.open(path, self._n_mels)
        if stored is None:
            raise ConfigError(f"{path}: was changed while it was in use; export again")
        return stored


def _parent_folder() -> str | None:
    """Where the temporary folder is made; None: where Python makes them."""
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK):
        return "/var/tmp"
    return None


class Computed(Sequence[T]):
    """A sequence whose items are computed each time they are asked for."""

    def __init__(self, length: int, item: Callable[[int], T]) -> None:
        self._length = length
        self._item = item

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> list[T]: ...

    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self._item(i) for i in range(self._length)[place]]
        return self._item(range(self._length)[place])

    def __iter__(self) -> Iterator[T]:
        return map(self._item, range(self._length))
