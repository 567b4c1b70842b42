"""The interface of an output: `Sink` receives lines, `SourceTap` the sound of a source."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from ..errors import EdgeaeError
from ..scoring.window_stream import Window
from ..system.arrays import Float32
from .lines import EventLine, Line

LineType_contra = TypeVar("LineType_contra", bound=Line, contravariant=True)


class OutputError(EdgeaeError):
    """An output did not take a line: what failed and what to do about it."""


class Sink(ABC, Generic[LineType_contra]):
    """Receives lines. `deliver` and `close` run in the sink's own thread and may take long."""

    name: str  # in status lines and metrics

    @property
    def trouble(self) -> str | None:
        """Why the sink does not work now; None if it works."""
        return None

    @property
    def lost(self) -> int:
        """Number of lines that the sink received and lost."""
        return 0

    @abstractmethod
    def wants(self, line: LineType_contra) -> bool:
        """True if the sink uses this line. It runs in the scoring thread, so it must be fast."""

    @abstractmethod
    def deliver(self, line: LineType_contra) -> None:
        """Write or send one line; OSError or OutputError if that fails."""

    @abstractmethod
    def close(self) -> None:
        """Called once, after the last line."""

    def abort(self) -> None:
        """Called from another thread if `deliver` or `close` does not end in time."""


class SourceTap:
    """Receives the sound and the windows of one source; this base class ignores them."""

    # True: windows are scored before each block, so that the sample of an event is exact.
    wants_sound = False

    def push(self, samples: Float32, samplerate: int) -> None:
        """Receive a block of sound (n,), full scale 1; samplerate: Hz."""

    def add_window(self, window: Window) -> None:
        """Receive a window, before its lines are published."""

    def add_to_event(self, line: EventLine) -> EventLine:
        """Return an event with what the output adds to it, before it is published."""
        return line

    def gap(self) -> None:
        """Called when sound was lost."""

    def close(self) -> None:
        """Called when the source ended."""
