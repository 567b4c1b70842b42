"""Files that are replaced whole: the old content or the new, whatever happens."""

import contextlib
import errno
import glob
import os
import time
from pathlib import Path

UNFINISHED, ABANDONED = (
    ".unfinished",
    60.0,
)  # seconds without a write, of a file that takes milliseconds


def replace_file(path: Path, content: bytes) -> None:
    """Write through a temporary file, so that a power cut leaves the old content or the new; OSError if it fails.

    What a writer that was killed left behind, `.NAME.*.unfinished`, the next one removes.
    """
    import tempfile  # a megabyte and milliseconds that only a writer pays

    _clear(path)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _clear(path: Path) -> None:
    """Remove temporary files for ``path`` that nobody has written to for a while."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with contextlib.suppress(FileNotFoundError):  # another writer cleared it
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` as durable as the contents."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no such thing
            raise
    finally:
        os.close(descriptor)
