"""A person says "that was normal": the charts learn the sound of the last hour, the alarm ends.

    --feedback FILE         touch FILE; the file is looked for at each wake, and removed
    --mqtt-commands         `normal` to the command topic of a source; `pause` and `resume`, too
    --page-token-file       the button of the page

A file names no source: with several sources it is about those with an alarm, else about the one
whose event was the last, else about all.
"""

import math
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import ConfigError
from ..outputs.feedback import FeedbackQueue, Message, NormalMessage
from ..system.files import lock_named
from .source import Source

CHECK_SECONDS = 0.5  # less than between two wakes of the scoring, so that each of them looks


class FeedbackFile:
    """Looks for the file of a person's message."""

    def __init__(self, path: Path, check_seconds: float = CHECK_SECONDS) -> None:
        """ConfigError for a path that is used otherwise, or cannot be used.

        Close it at the end: until then no other process may use the path.
        """
        self._path = path
        self._check_seconds = check_seconds
        self._check_at = 0.0  # monotonic, s
        self._failed = False  # to remove the file
        folder = path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(
                f"--feedback {path}: the file is removed after each message, and {folder} is no "
                f"folder that can be written; choose another place"
            )
        if os.path.lexists(path) and not _is_empty_file(path):
            raise ConfigError(
                f"--feedback {path}: exists and is not empty, and would be removed; "
                f"name a file that does not exist yet"
            )
        self._lock = lock_named("--feedback", path)
        # A message from before the start is about sound that is not known any more.
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other processes use the file."""
        self._lock.release()

    def poll(self) -> bool:
        """Whether there is a message; removes it. Looks every half second at most."""
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + self._check_seconds
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            if not self._failed:
                click.echo(
                    f"edgeae: --feedback {self._path}: cannot be removed ({error.strerror}), "
                    f"and so is ignored; remove it, and name a file",
                    err=True,
                )
            self._failed = True
            return False
        self._failed = False
        return True


def handle_feedback(
    sources: Sequence[Source], file: FeedbackFile | None, queue: FeedbackQueue
) -> None:
    """Let the sources do what people have said since the last call.

    file: that the last event was normal; queue: messages about one source each.
    """
    if file and file.poll():
        for source in _sources_of_last_event(sources):
            source.accept("file")
    for message in queue.pop_all():
        for source in sources:
            if source.name == message.source:
                _handle(source, message)


def _handle(source: Source, message: Message) -> None:
    if isinstance(message, NormalMessage):
        source.accept(message.way)
    elif message.is_paused:
        source.pause(message.way)
    else:
        source.resume(message.way)


def _sources_of_last_event(sources: Sequence[Source]) -> Sequence[Source]:
    alarmed = [source for source in sources if source.alarm_active]
    last = max(sources, key=lambda source: source.last_event_time)
    return alarmed or ([last] if last.last_event_time > -math.inf else sources)


def _is_empty_file(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size == 0
