"""What an output is: a sink of lines, and perhaps a tap of the sound of each source."""

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
    """Where lines go. `deliver` and `close` run in a thread of the sink's own and may take long."""

    name: str  # as in status lines and metrics

    @property
    def trouble(self) -> str | None:
        """What fails while no line is delivered; None if all is well."""
        return None

    @property
    def lost(self) -> int:
        """Lines that were delivered to the sink and that it lost."""
        return 0

    @abstractmethod
    def wants(self, line: LineType_contra) -> bool:
        """True if the line is for this sink. Runs in the thread that scores, so it is quick."""

    @abstractmethod
    def deliver(self, line: LineType_contra) -> None:
        """Take one line; OSError or OutputError if that fails."""

    @abstractmethod
    def close(self) -> None:
        """Called once, after the last line."""

    def abort(self) -> None:
        """Called from another thread if `deliver` or `close` does not end in time."""


class SourceTap:
    """What an output receives of one source beside its lines; here, nothing."""

    wants_sound = False  # True: windows are scored before each block, so that `event` is exact

    def push(self, samples: Float32, samplerate: int) -> None:
        """A block (n,) of sound, full scale 1, at ``samplerate`` Hz."""

    def add_window(self, window: Window) -> None:
        """A window, before its lines are published."""

    def add_to_event(self, line: EventLine) -> EventLine:
        """An event before it is published, with what the output adds to it."""
        return line

    def gap(self) -> None:
        """Sound was lost."""

    def close(self) -> None:
        """The source ended."""
