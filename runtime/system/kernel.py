"""What the kernel says of itself in /proc and /sys."""

import contextlib
from pathlib import Path

SYSFS, PROCFS = Path("/sys"), Path("/proc")


def found(folder: Path, pattern: str) -> list[Path]:
    """What is in a folder of the kernel; nothing if it vanishes meanwhile."""
    with contextlib.suppress(OSError):
        return list(folder.glob(pattern))
    return []


def text(path: Path) -> str:
    """What a file of the kernel says, without the end of the line; nothing if it is not there, or not any more."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")
    return ""
