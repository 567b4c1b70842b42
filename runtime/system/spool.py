"""FIFOs, such as that of ``<(ffmpeg ...)`` in a shell, as files that can be read more than once."""

import atexit
import stat
from pathlib import Path

from ..errors import AudioError

MAX_SPOOLED_BYTES = 8 << 30  # a day of stereo in 16 bits at 48 kHz would be 16 GB
COPY_BYTES = 1 << 20  # at once

_spooled: dict[tuple[int, int], Path] = {}  # by device and inode


def is_fifo(path: Path) -> bool:
    """Whether a path is a FIFO."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def spooled(path: Path) -> Path:
    """The file with what comes through a FIFO, or ``path`` itself if it is none.

    A FIFO is read to its end once, and then its copy is used. AudioError if it cannot be read.
    """
    if not is_fifo(path):
        return path
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    if key not in _spooled:
        _spooled[key] = _copy(path)
    return _spooled[key]


def _copy(path: Path) -> Path:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="edgeae-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / "sound"
    n_bytes = 0
    try:
        with path.open("rb") as source, copy.open("xb") as target:
            while block := source.read(COPY_BYTES):
                n_bytes += len(block)
                if n_bytes > MAX_SPOOLED_BYTES:
                    raise AudioError(
                        f"{path}: more than {MAX_SPOOLED_BYTES >> 30} GiB came through it; "
                        f"store the sound in files, or give raw PCM on stdin"
                    )
                target.write(block)
    except OSError as error:
        raise AudioError(
            f"{path}: what comes through it cannot be kept in {folder.parent} ({error.strerror}); "
            f"set TMPDIR to a folder with more room"
        ) from error
    return copy
