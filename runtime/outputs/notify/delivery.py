"""Sends the notifications of one service, in order, in a thread of its own.

    put --> queue --thread--> the oldest that is due --> wait for its clip --> send
                                             ^---- 10, 20, 40 ... 600 s ----' as long as that fails

A notification that is not due yet delays no other, and is dropped at the end. Each service has such
a queue, so that one that is down delays no other.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Protocol

from ..sink import OutputError
from .message import Message


@dataclass(frozen=True)
class DeliveryLimits:
    """How long a notification waits, and how often it is tried."""

    clip_seconds: float = 40.0  # for the clip of an alarm, which holds the 20 s after its start
    check_seconds: float = 1.0  # between two looks for the clip
    first_pause_seconds: float = 10.0  # after a failure; each further pause is twice as long
    max_pause_seconds: float = 600.0
    max_age_seconds: float = 86_400.0  # then it is dropped
    max_attempts_with_files: int = 2  # a service may refuse files that are too large
    max_waiting: int = 100  # notifications; beyond it the oldest is dropped


DEFAULT_LIMITS = DeliveryLimits()


class Sender(Protocol):
    """What sends a message."""

    @property
    def name(self) -> str: ...

    @property
    def takes_files(self) -> bool: ...

    def send(self, message: Message, *, with_files: bool) -> None: ...


@dataclass(eq=False)
class Notification:
    """A message that waits, for all services."""

    message: Callable[[], Message | None]  # the text when it is sent; None: it is not sent
    clip: Path | None = None
    due_at: float = 0.0  # monotonic, s
    created_at: float = field(default_factory=time.monotonic)


class Delivery:
    """The queue and the thread of one service."""

    def __init__(self, sender: Sender, limits: DeliveryLimits = DEFAULT_LIMITS) -> None:
        self._sender = sender
        self._limits = limits
        self._waiting: deque[Notification] = deque()
        self._changed = Condition()
        self._closing = False
        self.lost = 0  # notifications
        self.trouble: str | None = None
        self._thread = Thread(target=self._work, name=f"notify {sender.name}", daemon=True)
        self._thread.start()

    def put(self, notification: Notification) -> None:
        """Queue a notification."""
        with self._changed:
            if len(self._waiting) == self._limits.max_waiting:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(notification)
            self._changed.notify_all()

    def end(self) -> None:
        """Drop what is not due yet, try once more to send the rest, then stop."""
        with self._changed:
            self._closing = True
            now = time.monotonic()
            self._waiting = deque(one for one in self._waiting if one.due_at <= now)
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, for a limited time."""
        self._thread.join(seconds)
        self.lost += len(self._waiting)

    def _work(self) -> None:
        while (notification := self._oldest_due()) is not None:
            self._await_clip(notification)
            message = notification.message()
            is_sent = message is None or self._deliver(notification, message)
            with self._changed:
                # It is gone, and counted, if the queue became too long meanwhile.
                if notification in self._waiting:
                    self._waiting.remove(notification)
                    self.lost += not is_sent

    def _oldest_due(self) -> Notification | None:
        """Wait for a notification that is due; None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                for notification in self._waiting:
                    if notification.due_at <= now:
                        return notification
                if self._closing:
                    return None
                next_due_at = min((one.due_at for one in self._waiting), default=None)
                self._changed.wait(None if next_due_at is None else next_due_at - now)

    def _await_clip(self, notification: Notification) -> None:
        """Wait until the clip of a notification is written; not while closing."""
        clip = notification.clip
        if clip is None or not self._sender.takes_files:
            return
        deadline = notification.created_at + self._limits.clip_seconds
        while not clip.is_file() and time.monotonic() < deadline:
            if self._pause(self._limits.check_seconds):
                return

    def _deliver(self, notification: Notification, message: Message) -> bool:
        """Send a message, in several attempts if need be; False if it was dropped."""
        pause_seconds = self._limits.first_pause_seconds
        n_attempts = 0
        while True:
            try:
                with_files = n_attempts < self._limits.max_attempts_with_files
                self._sender.send(message, with_files=with_files)
            except OutputError as error:
                self.trouble = f"{error}; it is tried again"
            except Exception as error:  # of a plug-in of Apprise
                self.trouble = f"{self._sender.name}: {type(error).__name__}; it is tried again"
            else:
                self.trouble = None
                return True
            n_attempts += 1
            age_seconds = time.monotonic() - notification.created_at
            if age_seconds > self._limits.max_age_seconds or self._pause(pause_seconds):
                return False
            pause_seconds = min(2 * pause_seconds, self._limits.max_pause_seconds)

    def _pause(self, seconds: float) -> bool:
        """Wait so long; True at once if the output is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, max(0.0, seconds))
