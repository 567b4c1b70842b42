"""Numbers and dates the lines of one process, and puts them into every outbox."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ..system.clock import synced
from .lines import RunLine, ScoreLine
from .outbox import Outbox

SYNC_CHECK_SECONDS = 10.0  # between two checks of whether the clock is synchronised

RunLineType = TypeVar("RunLineType", bound=RunLine)


class LinePublisher:
    """Adds the sequence number and the time to each line, and sends it to all outputs."""

    def __init__(
        self,
        show: Callable[[RunLine], None] | None,
        outboxes: Sequence[Outbox[RunLine]],
        *,
        waits: bool = False,
    ) -> None:
        """show: prints a line at once; None if an outbox prints.

        waits: True to wait for an outbox that is full, as sound from a file can.
        """
        self._show = show
        self._outboxes = outboxes
        self._waits = waits
        self._count = 0
        self._synced: bool | None = None
        self._checked_at = float("-inf")  # monotonic, s

    def publish(self, line: RunLine, machine: str | None = None, age: float | None = None) -> None:
        """Add sequence and time to a line, and send it."""
        self.send(self.add_sequence_and_time(line, machine, age))

    def add_sequence_and_time(
        self, line: RunLineType, machine: str | None = None, age: float | None = None
    ) -> RunLineType:
        """Return the line with its sequence number and time; the caller must `send` it next.

        age: seconds since the end of the sound that the line is about; None if unknown.
        """
        sound_time = datetime.now(UTC) - timedelta(seconds=age or 0.0)
        complete = replace(
            line,
            time=sound_time.isoformat(timespec="milliseconds"),
            machine=machine,
            sequence=self._count,
            synced=self._is_synced(),
        )
        self._count += 1
        if isinstance(complete, ScoreLine) and age is not None:
            return replace(complete, age=round(age, 3))
        return complete

    def send(self, line: RunLine) -> None:
        """Put a line into all outputs."""
        if self._show:
            self._show(line)
        for outbox in self._outboxes:
            outbox.put(line, wait=self._waits)

    def _is_synced(self) -> bool | None:
        now = time.monotonic()
        if now - self._checked_at > SYNC_CHECK_SECONDS:
            self._synced = synced()
            self._checked_at = now
        return self._synced
