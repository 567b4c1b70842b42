"""Stores the sound of alarms as FLAC files of a limited total size, each with a JSON file.

    20261123T023450.120Z_pump-3_5f0a91.flac      16 bits, one channel, the rate of the source
    20261123T023450.120Z_pump-3_5f0a91.json      {"before": 10.0, "after": 20.0,
                                                  "ended": "complete", "event": {...}}

`edgeae.runtime.outputs.clips.recorder` collects the samples and passes them as `ClipLine`, for this
output alone.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from ...audio.pcm import Pcm
from ...errors import ConfigError
from ...system.clock import synced
from ...system.files import UNFINISHED, replace_file
from ..lines import Line
from ..sink import OutputError, Sink
from .line import ClipLine
from .recorder import CLIP_NAME, CLIP_TIME_FORMAT

MAX_WAITING_CLIPS = 4  # for a slow disk
MEGABYTE = 10**6
MEMORY_FOLDER = "/dev/shm"

# What a process that was killed leaves behind.
_LEFTOVER = re.compile(rf"\.{CLIP_NAME.pattern}\.[a-z0-9_]{{8}}{re.escape(UNFINISHED)}")
# The clock of a computer that shows an earlier time was never set.
_CLOCK_SET = datetime(2024, 1, 1, tzinfo=UTC)


class ClipFiles(Sink[Line]):
    """A sink that writes clips: NAME.flac, and NAME.json with the alarm's line.

    The oldest clips are deleted while all clips are larger than ``megabytes``, while the disk has
    less than ``free_megabytes`` free, and after ``days``. If that is not enough, no clip is
    written. Only files with the name of a clip are deleted.
    """

    name = "clips"

    def __init__(
        self,
        folder: Path,
        *,
        megabytes: float = 500.0,
        days: float = 90.0,
        free_megabytes: float = 500.0,
        clock_is_right: Callable[[], bool | None] = synced,
    ) -> None:
        """Raises ConfigError if ``folder`` or a limit cannot be used.

        clock_is_right: True while the clock is synchronised; only then the age of a clip counts.
        """
        self._clock_is_right = clock_is_right
        if not (megabytes > 0 and days > 0 and free_megabytes >= 0):
            raise ConfigError(
                f"clips of {megabytes:g} MB and {days:g} days with "
                f"{free_megabytes:g} MB left free; "
                f"the first two have to be more than 0, the last not less"
            )
        self._folder = folder
        self._max_bytes = megabytes * MEGABYTE
        self._free_bytes = free_megabytes * MEGABYTE
        self._age = timedelta(days=min(days, 36500))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                if _LEFTOVER.fullmatch(path.name):
                    path.unlink()
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise ConfigError(
                f"{folder}: no folder for clips ({error.strerror}); name another one"
            ) from error

    def wants(self, line: Line) -> bool:
        return isinstance(line, ClipLine)

    def deliver(self, line: Line) -> None:
        if not isinstance(line, ClipLine):
            return
        path = Path(line.path)
        sound = _flac(line.samples, line.samplerate)
        description = json.dumps(line.to_dict(), indent=1).encode()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(sound) + len(description))
        replace_file(path, sound)
        replace_file(path.with_suffix(".json"), description)

    def close(self) -> None:
        """Do nothing: every clip is written at once."""

    def _make_room(self, size: int) -> None:
        """Delete the oldest clips until ``size`` more bytes fit; OutputError if they cannot."""
        clips = [(files, sum(path.stat().st_size for path in files)) for files in self._clips()]
        total = sum(n_bytes for _, n_bytes in clips)
        for files, n_bytes in clips:
            has_room = total + size <= self._max_bytes and self._free_after(size) >= 0
            if has_room and not self._is_old(files[0]):
                continue
            for path in files:
                path.unlink(missing_ok=True)
            total -= n_bytes
        if total + size > self._max_bytes:
            raise OutputError(
                f"a clip of {size / MEGABYTE:.1f} MB is larger than the limit for all clips; "
                "allow more megabytes"
            )
        if self._free_after(size) < 0:
            raise OutputError(
                f"{self._folder}: no clip was written, the disk has less than "
                f"{self._free_bytes / MEGABYTE:g} MB left; free some, all clips are deleted already"
            )

    def _clips(self) -> list[list[Path]]:
        """The files of each clip, the oldest first."""
        named = sorted(path for path in self._folder.iterdir() if _time(path.name))
        files = [path for path in named if path.is_file() and not path.is_symlink()]
        return [list(both) for _, both in groupby(files, key=lambda path: path.stem)]

    def _free_after(self, size: int) -> float:
        """Bytes above the free space that must remain, after ``size`` more are written."""
        return shutil.disk_usage(self._folder).free - size - self._free_bytes

    def _is_old(self, path: Path) -> bool:
        """True after ``days``; never by a clock that may be wrong, now or at the clip."""
        if not self._clock_is_right():
            return False
        at = _time(path.name)
        return at is not None and _CLOCK_SET < at < datetime.now(UTC) - self._age


def _time(name: str) -> datetime | None:
    """The time in the name of a clip; None if the name is not that of a clip."""
    if not CLIP_NAME.fullmatch(name):
        return None
    try:
        return datetime.strptime(name.partition(".")[0], CLIP_TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        # Such as the 30th of February.
        return None


def _flac(samples: Pcm, samplerate: int) -> bytes:
    """(n,) samples as a FLAC file.

    The file is encoded in a file in memory. soundfile writes to Python objects through callbacks,
    which need memory that is both writable and executable; a hardened service has none.
    """
    import soundfile

    with tempfile.TemporaryFile(dir=MEMORY_FOLDER) as file:
        try:
            soundfile.write(
                file.fileno(), samples, samplerate, format="FLAC", subtype="PCM_16", closefd=False
            )
        except (soundfile.SoundFileError, AssertionError) as error:
            # soundfile asserts that it wrote all samples.
            raise OutputError(
                f"{MEMORY_FOLDER}: a clip of {samplerate} Hz cannot be encoded there ({error})"
            ) from error
        file.seek(0)
        return file.read()
