"""Numbers and dates the lines of one process, and hands them to all outputs."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..system.clock import synced
from .outbox import Line, Outbox

CLOCK_SECONDS = 10.0  # between two looks at whether the clock is synchronised


class LinePublisher:
    """Numbers and dates the lines of one process, and hands them to all outputs."""

    def __init__(
        self,
        show: Callable[[Line], None] | None,
        outboxes: Sequence[Outbox],
        *,
        waits: bool = False,
    ) -> None:
        """show: prints a line at once. waits: for an outbox that is full, as sound from a file can."""
        self._show, self._outboxes, self._waits = show, outboxes, waits
        self._count = 0
        self._synced: bool | None = None
        self._looked = float("-inf")

    def publish(self, line: Line, machine: str | None = None, age: float | None = None) -> None:
        """age: seconds since the sound that the line is about, if that is known."""
        self.stamp(line, machine, age)
        self.send(line)

    def stamp(self, line: Line, machine: str | None = None, age: float | None = None) -> None:
        """Number and date a line, which is to be sent next."""
        heard = datetime.now(UTC) - timedelta(seconds=age or 0.0)
        line["time"] = heard.isoformat(timespec="milliseconds")
        line |= {"machine": machine, "seq": self._count, "synced": self._is_synced()}
        if line["type"] == "score":
            line["age"] = None if age is None else round(age, 3)
        self._count += 1

    def send(self, line: Line) -> None:
        """Hand a line to all outputs."""
        if self._show:
            self._show(line)
        for outbox in self._outboxes:
            outbox.put(line, wait=self._waits)

    def _is_synced(self) -> bool | None:
        if time.monotonic() - self._looked > CLOCK_SECONDS:
            self._synced, self._looked = synced(), time.monotonic()
        return self._synced
