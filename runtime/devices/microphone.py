"""A capture device that is listened to for months: opened again whenever it fails.

A thread opens the device and waits beside it; when it fails or stalls, the thread closes it, waits a
little, longer each time, and looks its name up afresh, because a microphone that is plugged in again may
be another card by number:

    open -> Setup, Gap (what was missed), Block, Block, ... -> fails -> Lost -> wait -> open -> ...

Everything goes into a `Backlog`, in this order.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

from ..audio import Channel
from ..errors import DeviceError
from .backlog import Backlog, Lost, Setup
from .capture import STALL_SECONDS, Block, Capture, Gap, StallError, now

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between two attempts, doubled each time
CHECK_SECONDS = 1.0

Opens = Callable[..., Capture]


class Microphone:
    """One device, by any of its names, until `close`."""

    def __init__(
        self,
        device: str,
        backlog: Backlog,
        *,
        samplerate: int,
        channels: Sequence[Channel] = (0,),
        stall_seconds: float = STALL_SECONDS,
        opens: Opens | None = None,
    ) -> None:
        self.device, self.backlog, self._opens = device, backlog, opens or Capture
        self._options: dict[str, Any] = {"samplerate": samplerate, "channels": channels, "stall_seconds": stall_seconds}
        self.failure: DeviceError | None = None  # of the last attempt; None while it is heard
        self.heard: float | None = None  # when the last sound came; None before the first
        self.since = now()  # when listening, or the search for the device, began
        self._told = ""
        self._stopped, self._failed = Event(), Event()
        self._thread = Thread(target=self._work, name=f"microphone {device}", daemon=True)
        self._thread.start()

    @property
    def silent_for(self) -> float:
        """Seconds since the last sound, or since the search began."""
        return now() - (self.heard or self.since)

    def stop(self) -> None:
        """Deliver nothing any more. May be called from a signal handler."""
        self._stopped.set()
        self._failed.set()

    def close(self) -> None:
        """Stop, and release the device if it does not hang."""
        self.stop()
        self.backlog.close()
        self._thread.join(CHECK_SECONDS)

    # The rest runs in threads.

    def _work(self) -> None:
        wait = FIRST_WAIT
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                with self._opens(self.device, **self._options) as capture:
                    self._listen(capture)
            except DeviceError as error:
                self._tell(error)
            if time.monotonic() - began > LONGEST_WAIT:  # it worked for a while
                wait = FIRST_WAIT
            self._stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _listen(self, capture: Capture) -> None:
        """Until the device fails or stalls: DeviceError; or until `stop`."""
        self._failed.clear()
        failures: list[DeviceError] = []
        first = True

        def deliver(item: Block | Gap | DeviceError) -> None:
            nonlocal first
            if isinstance(item, DeviceError):
                failures.append(item)
                self._failed.set()
                return
            if first:
                self._begin(capture, item)
                first = False
            if isinstance(item, Block):
                self.heard, self.failure, self._told = item.heard, None, ""
            self.backlog.put(item)

        capture.start(deliver)
        while not (self._failed.wait(CHECK_SECONDS) or self._stopped.is_set()):
            capture.check_stall()
        if failures:
            raise failures[0]

    def _begin(self, capture: Capture, item: Block | Gap) -> None:
        """Say what the device delivers from now on, and how much was missed since it last did."""
        self.backlog.put(Setup(capture.samplerate, capture.channels, capture.format, capture.decode))
        if self.heard is not None:
            missed = now() - self.heard - item.frames / capture.samplerate
            self.backlog.put(Gap(max(0, round(missed * capture.samplerate)), self._reason))

    _reason = "unplugged"

    def _tell(self, error: DeviceError) -> None:
        """Say why nothing is heard, unless that was said."""
        if self.failure is None:
            self._reason = "stalled" if isinstance(error, StallError) else "unplugged"
        self.failure = error
        if str(error) != self._told and not self._stopped.is_set():
            self._told = str(error)
            state = "waiting" if self.heard is None else "stalled" if isinstance(error, StallError) else "lost"
            self.backlog.put(Lost(state, str(error)))
