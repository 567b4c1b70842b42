"""What people report about a sound, on its way from the threads of outputs to the scoring.

    MQTT command, button of the page --put--> FeedbackQueue --pop_all--> live loop: Source.accept

There is one message, "that was normal": the sound of the last hour of a source is learned.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Literal

FeedbackWay = Literal["file", "mqtt", "page"]


@dataclass(frozen=True)
class NormalMessage:
    """A person calls the sound of a source normal."""

    source: str  # its name in the lines
    way: FeedbackWay


class FeedbackQueue:
    """The messages that the live loop has not handled yet, at most one for each source."""

    def __init__(self) -> None:
        self._ways: dict[str, FeedbackWay] = {}  # by source
        self._lock = Lock()

    def put(self, message: NormalMessage) -> None:
        """Queue a message; it replaces an earlier one about the same source."""
        with self._lock:
            self._ways[message.source] = message.way

    def pop_all(self) -> list[NormalMessage]:
        """Remove and return the messages, the oldest first."""
        with self._lock:
            ways = self._ways
            self._ways = {}
        return [NormalMessage(source, way) for source, way in ways.items()]
