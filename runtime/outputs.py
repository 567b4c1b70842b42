"""Where the lines of `edgeae run` go: the options, and the outputs that they ask for."""

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from .outbox import Outbox, Sink
from .output import PROGRAM, Screen, Teller, status_line

CHECK_SECONDS = 1.0
SCREEN_LINES = 10_000  # that wait for whoever reads stdout
Command = TypeVar("Command", bound=Callable[..., Any])


def output_options(command: Command) -> Command:
    """Adds the options that `Outputs` takes."""
    return command


class Outputs:
    """All outputs of one process; a context that delivers what waits when it is left."""

    def __init__(self, *, as_json: bool, waits: bool) -> None:
        """waits: the sound can wait for a slow output, as that of files can."""
        sinks: list[Sink] = []
        screen = Screen(as_json=as_json)
        outboxes = [Outbox(sink) for sink in sinks]
        self._screen = None if waits else Outbox(screen, SCREEN_LINES)
        self._outboxes = [*outboxes, *([self._screen] if self._screen else [])]
        self.teller = Teller(screen.deliver if waits else None, self._outboxes, waits=waits)
        self._began, self._due = time.monotonic(), 0.0
        self._told: dict[str, str | None] = {}
        self._dropped: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for outbox in self._outboxes:
            outbox.close()

    def tick(self) -> None:
        """Tell of outputs that fail or work again. BrokenPipeError when the reader of stdout went away."""
        if self._screen and self._screen.gone:
            raise BrokenPipeError
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + CHECK_SECONDS
        for outbox in self._outboxes:
            self._check(outbox)

    def _check(self, outbox: Outbox) -> None:
        name, dropped = outbox.sink.name, outbox.dropped
        new, self._dropped[name] = dropped - self._dropped.get(name, 0), dropped
        trouble = outbox.trouble or (f"too slow, {new} lines were dropped" if new else None)
        if (trouble is None) == (self._told.get(name) is None):
            return
        self._told[name] = trouble
        state, sentence = ("degraded", f"{name}: {trouble}") if trouble else ("restored", f"{name} works again")
        counts = {"dropped": dropped, "failed": outbox.failed}
        t = round(time.monotonic() - self._began, 3)
        self.teller.tell(status_line(PROGRAM, t, state, output=name, sentence=sentence, **counts))


def slug(name: str) -> str:
    """``name`` as a part of a file's name or of a topic."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "source"
