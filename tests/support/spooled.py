"""The lines in the folder of a webhook's spool."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from edgeae.runtime.outputs.webhook.spool import FILE_NAME


def spooled(folder: Path) -> list[tuple[int, bytes]]:
    """(number, line) of the lines that wait, the oldest first.

    They are read from a copy: whoever opens what a killed process left behind repairs it.
    """
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob(f"{FILE_NAME}*"):
            if path.is_file() and path.suffix != ".sqlite3-shm":
                shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy) / FILE_NAME)) as database:
            if not database.execute("SELECT * FROM sqlite_schema").fetchall():
                return []
            return database.execute("SELECT number, line FROM lines ORDER BY number").fetchall()


def spooled_lines(folder: Path) -> list[bytes]:
    """The lines that wait, the oldest first."""
    return [line for _, line in spooled(folder)]
