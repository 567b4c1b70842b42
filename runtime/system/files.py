"""Paths, permissions, temporary files and locks: what every writer of a file does alike.

    replace_file    whatever happens, a file holds the old content or the new
    create_file     a new file: never one that stands there, never through a link
    FileLock        one process at a time replaces a file
    absolute        a path that systemd can read

New files have the permissions that the umask leaves. A file that is replaced keeps its own.
"""

import contextlib
import errno
import fcntl
import glob
import os
import stat
import time
from pathlib import Path

from ..errors import ConfigError

UNFINISHED = ".unfinished"  # suffix of a temporary file
LOCK = ".lock"  # suffix of the file with the lock
# A write takes milliseconds; a temporary file without one for so long belongs to a writer that was
# killed.
ABANDONED_SECONDS = 60.0
MODE = 0o666  # of a new file, before the umask


def absolute(path: str | Path) -> Path:
    """The absolute path without ``.`` and ``..``, which systemd does not read.

    A link at its end is kept; links before a ``..`` are followed, as the system does.
    """
    path = Path(path)
    if ".." not in path.parts:
        return path.absolute()
    if path.name == "..":
        return Path(os.path.realpath(path))
    return Path(os.path.realpath(path.parent)) / path.name


def read_start(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a file, at most ``n_bytes``, also of a device without an end."""
    with path.open("rb") as file:
        return file.read(n_bytes)


def create_file(path: Path) -> int:
    """A descriptor of a new file, to write to; FileExistsError if anything has the name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, MODE)


def replace_file(
    path: Path, content: bytes, *, mode: int | None = None, durable: bool = True
) -> None:
    """Write ``content`` to a temporary file, then rename it to ``path``; OSError if that fails.

    A power cut leaves the old content or the new. Temporary files that killed writers left,
    `.NAME.*.unfinished`, are removed.

    mode: permissions of the file; None: those of the old one, or those that the umask leaves.
    durable: whether the content is on the disk at the end; a wrong content after a power cut may
        be no loss.
    """
    _remove_abandoned(path)
    # Nobody can guess the name, and so prepare a link that stands there.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}{UNFINISHED}")
    descriptor = create_file(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            mode = _own_mode(path) if mode is None else mode
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _own_mode(path: Path) -> int | None:
    """The permissions of a file of this user; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return stat.S_IMODE(status.st_mode) & 0o777 if is_own else None


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for ``path`` that no writer has written to for a minute."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with contextlib.suppress(FileNotFoundError):  # another writer has removed it
            if time.time() - temporary.lstat().st_mtime > ABANDONED_SECONDS:
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


class FileLock:
    """Keeps other processes from a file; the lock is on `.NAME.lock`, as the file is replaced."""

    def __init__(self, path: Path) -> None:
        """BlockingIOError if another process has the lock; another OSError if that fails."""
        self._path = path.with_name(f".{path.name}{LOCK}")
        self._descriptor = self._locked()

    def release(self) -> None:
        """Let other processes use the file, and remove the lock's own file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _locked(self) -> int:
        """A descriptor with the lock, of the file that stands at the path."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at_path(descriptor):
                    return descriptor
            except OSError:
                os.close(descriptor)
                raise
            # Between the two calls another process removed the file: its lock keeps nobody away.
            os.close(descriptor)

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.lstat())
        except FileNotFoundError:
            return False


def lock_named(option: str, path: Path) -> FileLock:
    """The lock of the file that an option names; ConfigError in one sentence if it is not free."""
    try:
        return FileLock(path)
    except BlockingIOError as error:
        raise ConfigError(f"{option} {path}: another process uses it; name another file") from error
    except OSError as error:
        raise unwritable(option, path, error) from error


def unwritable(option: str, path: Path, error: OSError) -> ConfigError:
    """The error for a file of an option that cannot be written."""
    return ConfigError(
        f"{option} {path}: cannot be written ({error.strerror}); choose another place"
    )
