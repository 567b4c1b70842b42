"""A capture device that is listened to for months: opened again whenever it fails.

A thread opens the device and waits beside it; when it fails or stalls, the thread closes it, waits a
little, longer each time, and looks its name up afresh, because a microphone that is plugged in again may
be another card by number:

    open -> Setup, Gap (what was missed), Block, Block, ... -> fails -> Lost -> wait -> open -> ...

Everything goes into a `CaptureQueue`, in this order.
"""

import time
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

from ..audio.channel import Channel
from ..errors import DeviceError
from ..system.clock import now
from .capture import STALL_SECONDS, Block, Capture, Gap, StallError
from .queue import CaptureQueue, Lost, Setup

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between two attempts, doubled each time
CHECK_SECONDS = 1.0
HANGING_SECONDS = 60.0  # longer than opening, and finding a stall, can take

Opens = Callable[..., Capture]


class Microphone:
    """One device, by any of its names, until `close`."""

    def __init__(
        self,
        device: str,
        backlog: CaptureQueue,
        *,
        samplerate: int,
        channels: Sequence[Channel] = (0,),
        stall_seconds: float = STALL_SECONDS,
        opens: Opens | None = None,
    ) -> None:
        self.device, self.backlog, self._opens = device, backlog, opens or Capture
        self._options: dict[str, Any] = {
            "samplerate": samplerate,
            "channels": channels,
            "stall_seconds": stall_seconds,
        }
        self._failure: DeviceError | None = None  # of the last attempt; None while it is heard
        self.heard: float | None = None  # when the last sound came; None before the first
        self._accounted = self._since = (
            now()
        )  # until when sound was delivered or told as lost; since when it is sought
        self._told, self._reason = "", "unplugged"
        self._stopped = Event()
        self._thread = Thread(target=self._work, name=f"microphone {device}", daemon=True)
        self._thread.start()

    @property
    def silent_for(self) -> float:
        """Seconds since the last sound, or since the search began."""
        return now() - (self.heard or self._since)

    @property
    def failure(self) -> DeviceError | None:
        """Why nothing is heard; None while something is. A driver that never comes back tells nothing."""
        if self._failure is None and self.silent_for > HANGING_SECONDS:
            return StallError(f"{self.device} does not answer: reconnect the microphone")
        return self._failure

    def missed(self) -> Gap | None:
        """What was lost since it failed, if it does."""
        if self._failure is None or self.heard is None:
            return None
        return Gap(max(0, round((now() - self._accounted) * self._rate)), self._reason)

    def close(self) -> None:
        """Deliver nothing any more, and release the device if it does not hang."""
        self._stopped.set()
        self.backlog.close()
        self._thread.join(CHECK_SECONDS)

    # The rest runs in threads.

    _rate = 0  # Hz, of the device when it was last heard

    def _work(self) -> None:
        wait = FIRST_WAIT
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                with self._opens(self.device, **self._options) as capture:
                    self._listen(capture)
            except DeviceError as error:
                self._tell(error)
            except Exception as error:  # whatever it is, this device has to be tried again
                self._tell(
                    DeviceError(f"{self.device} cannot be used ({type(error).__name__}: {error})")
                )
            if time.monotonic() - began > LONGEST_WAIT:  # it worked for a while
                wait = FIRST_WAIT
            self._stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _listen(self, capture: Capture) -> None:
        """Until the device fails or stalls: DeviceError; or until `stop`."""
        failures: Queue[DeviceError] = Queue()
        first = True

        def deliver(item: Block | Gap | DeviceError) -> None:
            nonlocal first
            if isinstance(item, DeviceError):
                failures.put(item)
                return
            if first:
                self._begin(capture, item)
                first = False
            if isinstance(item, Block):
                self.heard, self._failure, self._told = item.heard, None, ""
            self._accounted = item.heard if isinstance(item, Block) else now()
            self.backlog.put(item)

        capture.start(deliver)
        while not self._stopped.is_set():
            try:
                raise failures.get(timeout=CHECK_SECONDS)
            except Empty:
                capture.check_stall()

    def _begin(self, capture: Capture, item: Block | Gap) -> None:
        """Say what the device delivers from now on, and how much was missed since it last did."""
        self._rate = capture.samplerate
        self.backlog.put(
            Setup(capture.samplerate, capture.channels, capture.format, capture.decode)
        )
        if self.heard is not None:
            until = (
                item.heard if isinstance(item, Block) else now()
            ) - item.frames / capture.samplerate
            self.backlog.put(
                Gap(max(0, round((until - self._accounted) * capture.samplerate)), self._reason)
            )

    def _tell(self, error: DeviceError) -> None:
        """Say why nothing is heard, unless that was said."""
        if self._failure is None:
            self._reason = "stalled" if isinstance(error, StallError) else "unplugged"
        self._failure = error
        if str(error) != self._told and not self._stopped.is_set():
            self._told = str(error)
            state = (
                "waiting"
                if self.heard is None
                else "stalled"
                if isinstance(error, StallError)
                else "lost"
            )
            self.backlog.put(Lost(state, str(error)))
