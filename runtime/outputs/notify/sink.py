"""Notifies people of alarms and of microphones that deliver nothing.

    alarm start    with the clip and its spectrogram, as soon as the clip is written
    alarm end
    microphone     lost for a minute, and back

Each is sent to all services. A source sends a limited number an hour; the next notification says
how many were left out.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from ...system.identity import SourceIdentity, SourceNames
from ..latest import MAX_SOURCES, is_about_source
from ..lines import EventLine, RunLine, StatusLine
from ..sink import Sink
from .delivery import DEFAULT_LIMITS, Delivery, DeliveryLimits, Notification, Sender
from .message import Message, alarm_message, back_message, lost_message
from .storm import StormLimit

LOST_STATES = ("waiting", "lost", "stalled")  # of the capture
LOST_SECONDS = 60.0  # a microphone that is back within so long is no news
CLOSE_SECONDS = 4.0


@dataclass
class _Loss:
    """A microphone that delivers nothing."""

    lock: Lock
    is_over: bool = False
    is_reported: bool = False


class Notify(Sink[RunLine]):
    """The sink of notifications."""

    name = "notify"

    def __init__(
        self,
        services: Sequence[Sender],
        *,
        max_per_hour: int = 10,
        page_url: str | None = None,
        sources: Sequence[SourceIdentity] = (),
        lost_seconds: float = LOST_SECONDS,
        limits: DeliveryLimits = DEFAULT_LIMITS,
    ) -> None:
        """max_per_hour: notifications about one source.

        page_url: a link to the live page.
        lost_seconds: that a microphone delivers nothing before somebody is notified.
        """
        self._deliveries = [Delivery(service, limits) for service in services]
        self._names = SourceNames(sources)
        self._page_url = page_url
        self._lost_seconds = lost_seconds
        self._storm = StormLimit(max_per_hour)
        self._losses: dict[SourceIdentity, _Loss] = {}

    @property
    def trouble(self) -> str | None:
        """Why a service takes no notification now; None if all do."""
        troubles = (delivery.trouble for delivery in self._deliveries)
        return next((trouble for trouble in troubles if trouble), None)

    @property
    def lost(self) -> int:
        """Notifications that a service did not take in time."""
        return sum(delivery.lost for delivery in self._deliveries)

    def wants(self, line: RunLine) -> bool:
        if isinstance(line, EventLine):
            return line.phase in ("start", "end")
        is_capture = isinstance(line, StatusLine) and line.state in (*LOST_STATES, "listening")
        return is_capture and is_about_source(line)

    def deliver(self, line: RunLine) -> None:
        identity = SourceIdentity(line.source, line.machine)
        self._names.add(identity)
        name = self._names.title(identity)
        if isinstance(line, EventLine):
            message = alarm_message(line, name, self._page_url)
            self._put(partial(self._limited, line.source, message), message)
        elif isinstance(line, StatusLine) and line.state == "listening":
            self._report_back(identity, line, name)
        elif isinstance(line, StatusLine):
            self._report_loss(identity, line, name)

    def close(self) -> None:
        """Try to send what waits, for a limited time."""
        for delivery in self._deliveries:
            delivery.end()
        deadline = time.monotonic() + CLOSE_SECONDS
        for delivery in self._deliveries:
            delivery.join(max(0.0, deadline - time.monotonic()))

    def _report_loss(self, identity: SourceIdentity, line: StatusLine, name: str) -> None:
        if identity in self._losses or len(self._losses) >= MAX_SOURCES:
            return
        loss = _Loss(Lock())
        self._losses[identity] = loss
        message = lost_message(line, name, self._page_url)
        once = _Once(partial(self._lost_message, line.source, loss, message))
        due_at = time.monotonic() + self._lost_seconds
        for delivery in self._deliveries:
            delivery.put(Notification(once, due_at=due_at))

    def _lost_message(self, source: str, loss: _Loss, message: Message) -> Message | None:
        """The message about a microphone that is still lost; None if it is back."""
        with loss.lock:
            if loss.is_over:
                return None
            loss.is_reported = True
        return self._limited(source, message)

    def _report_back(self, identity: SourceIdentity, line: StatusLine, name: str) -> None:
        loss = self._losses.pop(identity, None)
        if loss is None:
            return
        with loss.lock:
            loss.is_over = True
            is_reported = loss.is_reported
        if is_reported:
            message = back_message(line, name, self._page_url)
            self._put(partial(self._limited, line.source, message), message)

    def _limited(self, source: str, message: Message) -> Message | None:
        """The message, with the number of those that were left out; None if it is left out."""
        if not self._storm.allows(source):
            return None
        n_left_out = self._storm.pop_left_out(source)
        if not n_left_out:
            return message
        text = f"{message.body}\n{n_left_out} earlier notifications were left out."
        return replace(message, body=text)

    def _put(self, make: "partial[Message | None]", message: Message) -> None:
        once = _Once(make)
        for delivery in self._deliveries:
            delivery.put(Notification(once, clip=message.clip))


class _Once:
    """A message that is made by the first service that asks for it, and is the same for all."""

    def __init__(self, make: "partial[Message | None]") -> None:
        self._make = make
        self._lock = Lock()
        self._made: list[Message | None] = []

    def __call__(self) -> Message | None:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
