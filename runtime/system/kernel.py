"""Files of the kernel under /proc and /sys."""

import contextlib
from pathlib import Path

SYSFS = Path("/sys")
PROCFS = Path("/proc")


def list_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a kernel folder that match; empty if the folder is missing or disappears."""
    with contextlib.suppress(OSError):
        return list(folder.glob(pattern))
    return []


def read_text(path: Path) -> str:
    """The content of a kernel file without its line end; empty if it is missing or disappears."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")
    return ""
