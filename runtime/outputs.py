"""Where the lines of `edgeae run` go: the options, and the outputs that they ask for."""

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from .outbox import Outbox, Sink
from .output import PROGRAM, Screen, Teller, status_line

CHECK_SECONDS = 1.0
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
        self._outboxes = [Outbox(sink) for sink in sinks]
        self._screen = None if waits else Outbox(screen)
        show = screen.deliver if self._screen is None else self._screen.put
        self.teller = Teller(show, self._outboxes, waits=waits)
        self._began, self._due = time.monotonic(), 0.0
        self._told: dict[str, str | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for outbox in [*self._outboxes, *([self._screen] if self._screen else [])]:
            outbox.close()

    def tick(self) -> None:
        """Tell of outputs that fail or work again. BrokenPipeError when the reader of stdout went away."""
        if self._screen and self._screen.gone:
            raise BrokenPipeError
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + CHECK_SECONDS
        for outbox in self._outboxes:
            if (outbox.trouble is None) != (self._told.get(outbox.sink.name) is None):
                self._tell(outbox)

    def _tell(self, outbox: Outbox) -> None:
        name, trouble = outbox.sink.name, outbox.trouble
        self._told[name] = trouble
        state, sentence = ("degraded", f"{name}: {trouble}") if trouble else ("restored", f"{name} works again")
        counts = {"dropped": outbox.dropped, "failed": outbox.failed}
        t = round(time.monotonic() - self._began, 3)
        self.teller.tell(status_line(PROGRAM, t, state, output=name, sentence=sentence, **counts))


def slug(name: str) -> str:
    """``name`` as a part of a file's name or of a topic."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "source"
