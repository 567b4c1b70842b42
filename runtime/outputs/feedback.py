"""What people report about a sound, on its way from the threads of outputs to the scoring.

    MQTT command, button of the page --put--> FeedbackQueue --pop_all--> live loop: Source

"That was normal": the sound of the last hour of a source is learned. "Pause" and "resume": the
sound of a source is not scored, as during maintenance, and is scored again.
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


@dataclass(frozen=True)
class PauseMessage:
    """A person pauses the scoring of a source, or resumes it."""

    source: str  # its name in the lines
    way: FeedbackWay
    is_paused: bool


Message = NormalMessage | PauseMessage


class FeedbackQueue:
    """The messages that the live loop has not handled yet, at most one of a kind for a source."""

    def __init__(self) -> None:
        self._messages: dict[tuple[type[Message], str], Message] = {}  # by kind and source
        self._lock = Lock()

    def put(self, message: Message) -> None:
        """Queue a message; it replaces an earlier one of its kind about the same source."""
        with self._lock:
            self._messages[type(message), message.source] = message

    def pop_all(self) -> list[Message]:
        """Remove and return the messages, the oldest first."""
        with self._lock:
            messages = self._messages
            self._messages = {}
        return list(messages.values())
