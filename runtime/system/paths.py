"""Paths as other programs can use them."""

import os
from pathlib import Path


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
