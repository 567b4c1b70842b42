"""Files that are replaced as a whole: whatever happens, a file holds the old content or the new."""

import contextlib
import errno
import glob
import os
import time
from pathlib import Path

UNFINISHED = ".unfinished"  # suffix of a temporary file
# A write takes milliseconds; a temporary file without one for so long belongs to a writer that was
# killed.
ABANDONED_SECONDS = 60.0


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary file, then rename it to ``path``; OSError if that fails.

    A power cut leaves the old content or the new. Temporary files that killed writers left,
    `.NAME.*.unfinished`, are removed.
    """
    import tempfile  # costs a megabyte and milliseconds, so only writers import it

    _remove_abandoned(path)
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


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for ``path`` that no writer has written to for a minute."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with contextlib.suppress(FileNotFoundError):  # another writer has removed it
            if time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS:
                temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Write the names in ``folder`` to the disk, as fsync does the content of a file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
