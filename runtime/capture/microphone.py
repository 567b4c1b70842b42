"""A capture device that is used for months: whenever it fails, it is opened again.

A thread opens the device and checks on it. When the device fails or stalls, the thread closes it,
waits, longer after each failure, and resolves its name again, because a microphone that is plugged
in again may have another card number:

    open -> CaptureStarted, Gap (what was missed), Block, Block, ... -> failure -> CaptureFailed
         -> wait -> open -> ...

All of it goes into a `CaptureQueue`, in this order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Protocol, Self

from ..audio.channel import Channel
from ..errors import DeviceError
from ..system.arrays import Float32
from ..system.clock import now
from .blocks import Block, CaptureItem, CaptureLimits, Deliver, Gap, StallError
from .capture import open_capture
from .queue import CaptureFailed, CaptureQueue, CaptureStarted
from .stream_address import shown_name


@dataclass(frozen=True)
class MicrophoneLimits:
    """Time limits of a Microphone, in seconds."""

    # Between two attempts to open the device: first, and at most; doubled after each failure.
    min_retry_seconds: float = 0.5
    max_retry_seconds: float = 30.0
    # Between two looks whether the device has stalled.
    check_seconds: float = 2.0
    # Until the device is released, or its driver hangs; more than a capture needs to close.
    close_seconds: float = 2.0
    # Without sound for so long, the driver hangs; more than opening and finding a stall can take.
    hang_seconds: float = 60.0
    # A score comes once a second, so more frequent sound would only cost more.
    capture: CaptureLimits = field(default_factory=lambda: CaptureLimits(wake_seconds=1.0))


class OpenCapture(Protocol):
    """What a Microphone needs of a Capture."""

    @property
    def samplerate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def format(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def start(self, deliver: Deliver) -> None: ...

    def check_stall(self) -> None: ...

    def decode(self, raw: bytes | bytearray) -> Float32: ...


CaptureOpener = Callable[[], OpenCapture]


class Microphone:
    """Captures one device, by any of its names, until `close`."""

    def __init__(
        self,
        device: str,
        queue: CaptureQueue,
        *,
        samplerate: int,
        channels: Sequence[Channel] = (0,),
        limits: MicrophoneLimits | None = None,
        opener: CaptureOpener | None = None,
    ) -> None:
        """Start to capture.

        device: an ALSA name or a stable one, see `Capture`, or the address of a stream.
        queue: receives what the device delivers.
        samplerate: wanted rate, Hz.
        channels: wanted channels.
        limits: time limits.
        opener: opens the device; `open_capture` with these options if it is not given.
        """
        self.device = shown_name(device)
        self.queue = queue
        # When the last sound was captured, seconds of `now`; None before the first.
        self.last_sound_time: float | None = None
        self._limits = limits or MicrophoneLimits()

        def open_device() -> OpenCapture:
            return open_capture(
                device, samplerate=samplerate, channels=channels, limits=self._limits.capture
            )

        self._open = opener or open_device
        self._failure: DeviceError | None = None  # of the last attempt; None while sound comes
        # What the capturing thread reports; None, to wake the thread that waits for it: `stop`.
        self._failures = Queue[DeviceError | None]()
        self._start_time = now()
        self._accounted_until = self._start_time  # by blocks and gaps, seconds of `now`
        self._samplerate = 0  # Hz, of the device when it last delivered
        self._reported_failure = ""
        self._gap_reason = "unplugged"
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=f"microphone {self.device}", daemon=True)
        self._thread.start()

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last sound, or since the start if there was none."""
        return now() - (self.last_sound_time or self._start_time)

    @property
    def failure(self) -> DeviceError | None:
        """Why no sound comes; None while it does. A driver that hangs counts as a failure."""
        if self._failure is None and self.silent_seconds > self._limits.hang_seconds:
            return StallError(f"{self.device} does not answer: reconnect the microphone")
        return self._failure

    def unreported_gap(self) -> Gap | None:
        """The sound that was lost since the device failed and is in no Gap of the queue yet."""
        if self._failure is None or self.last_sound_time is None:
            return None
        lost_seconds = now() - self._accounted_until
        return Gap(max(0, round(lost_seconds * self._samplerate)), self._gap_reason)

    def stop(self) -> None:
        """Deliver nothing any more; the device is released meanwhile, or by `close`."""
        self._stopped.set()
        self._failures.put(None)
        self.queue.close()

    def close(self) -> None:
        """Stop, and wait until the device is released, unless its driver hangs."""
        self.stop()
        self._thread.join(self._limits.close_seconds)

    def _run(self) -> None:
        """Open the device again and again until `close`; this is the thread."""
        retry_seconds = self._limits.min_retry_seconds
        while not self._stopped.is_set():
            opened_at = now()
            self._capture_until_failure()
            # A device that worked for a while gets a short wait again.
            if now() - opened_at > self._limits.max_retry_seconds:
                retry_seconds = self._limits.min_retry_seconds
            self._stopped.wait(retry_seconds)
            retry_seconds = min(2 * retry_seconds, self._limits.max_retry_seconds)

    def _capture_until_failure(self) -> None:
        try:
            with self._open() as capture:
                self._deliver_from(capture)
        except DeviceError as error:
            self._report_failure(error)
        except Exception as error:  # whatever went wrong, the device has to be tried again
            message = f"{self.device} cannot be used ({type(error).__name__}: {error})"
            self._report_failure(DeviceError(message))

    def _deliver_from(self, capture: OpenCapture) -> None:
        """Put what the device delivers into the queue until `close`.

        Raises DeviceError when the device fails or stalls.
        """
        # A new one, in which no failure of an earlier capture can come late.
        self._failures = failures = Queue[DeviceError | None]()
        started = False

        def deliver(item: CaptureItem) -> None:
            nonlocal started
            if isinstance(item, DeviceError):
                failures.put(item)
                return
            if not started:
                self._report_start(capture, item)
                started = True
            self._put(item)

        capture.start(deliver)
        while not self._stopped.is_set():
            try:
                failure = failures.get(timeout=self._limits.check_seconds)
            except Empty:
                capture.check_stall()
                continue
            if failure:
                raise failure

    def _put(self, item: Block | Gap) -> None:
        if isinstance(item, Block):
            self.last_sound_time = item.end_time
            self._failure = None
            self._reported_failure = ""
        self._accounted_until = _end_time(item)
        self.queue.put(item)

    def _report_start(self, capture: OpenCapture, first: Block | Gap) -> None:
        """Put into the queue what the device delivers from now on, and what was missed before."""
        self._samplerate = capture.samplerate
        self.queue.put(
            CaptureStarted(capture.samplerate, capture.channels, capture.format, capture.decode)
        )
        if self.last_sound_time is None:
            return
        start_time = _end_time(first) - first.frames / capture.samplerate
        lost_seconds = start_time - self._accounted_until
        lost_frames = max(0, round(lost_seconds * capture.samplerate))
        self.queue.put(Gap(lost_frames, self._gap_reason))

    def _report_failure(self, error: DeviceError) -> None:
        """Put into the queue why no sound comes, once for each reason."""
        stalled = isinstance(error, StallError)
        if self._failure is None:
            self._gap_reason = "stalled" if stalled else "unplugged"
        self._failure = error
        if str(error) == self._reported_failure or self._stopped.is_set():
            return
        self._reported_failure = str(error)
        state = "stalled" if stalled else "lost"
        if self.last_sound_time is None:
            state = "waiting"
        self.queue.put(CaptureFailed(state, str(error)))


def _end_time(item: Block | Gap) -> float:
    """When an item that was just delivered ended, seconds of `now`."""
    return item.end_time if isinstance(item, Block) else now()
