"""Live audio from an ALSA capture device, at the device's own rate.

    with Capture("hw:1") as capture:
        for block in capture.blocks():  # float32 (frames,), or a Gap
            ...

A thread reads the device and delivers one period at a time. Neither a driver that blocks nor a
caller that is busy can hide that the audio has stopped:

    ring of the device (2 s)  --thread-->  deliver(Block or Gap)

A Capture ends at the first failure; `edgeae.runtime.capture.microphone` opens the device again.
"""

import contextlib
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from ..audio.channel import Channel, select_channel
from ..audio.pcm import decode
from ..errors import DeviceError
from ..system.arrays import Float32
from .alsa import Alsa, AlsaError
from .blocks import Block, Gap
from .names import resolve
from .negotiate import PERIOD_SECONDS, FormatRefusedError, negotiate
from .opening import open_or_explain
from .reader import PcmReader

RETRY_SECONDS = 0.5  # between two attempts of `open_capture`

CaptureItem = Block | Gap | DeviceError
Deliver = Callable[[CaptureItem], None]


@dataclass(frozen=True)
class CaptureLimits:
    """Time limits and lengths of a Capture."""

    # Without sound for so long, the device has stalled.
    stall_seconds: float = 10.0
    # Until the reading thread sees that it has to stop; more than the sound it wakes for.
    wait_ms: int = 300
    # Periods that wait for the caller of `Capture.blocks`.
    queue_periods: int = 8


class StallError(DeviceError):
    """A device that is open but delivers nothing."""


class Capture:
    """An open capture device.

    device: an ALSA name (`hw:1`, `plughw:1,0`, `hw:CARD=Device,DEV=0`, `default`) or a stable one
        (`usb:0d8c:013c`, see `edgeae.runtime.capture.names`), which is resolved now.
    samplerate: Hz. The device runs at this rate if it can, else at a multiple, else at the nearest
        rate above, else below; ALSA never resamples.
    channels: the wanted ones, counted from 0. "mix" is the mean of two channels, or of as many as
        the device insists on.
    limits: time limits.
    library: libasound; loaded if it is not given.

    `stop` may be called from a thread or a signal handler.
    Raises DeviceError when the device is missing, busy, forbidden or refuses what was asked.
    """

    def __init__(
        self,
        device: str,
        *,
        samplerate: int = 16000,
        channels: Sequence[Channel] = (0,),
        limits: CaptureLimits | None = None,
        library: Alsa | None = None,
    ) -> None:
        self.device = device
        self._channels = channels
        self._limits = limits or CaptureLimits()
        self._alsa = library or Alsa()
        self._thread = Thread(target=self._run, name=f"capture {device}", daemon=True)
        # The thread releases the device if it still reads when `close` is called.
        self._lock = Lock()
        self._reading = False
        self._abandoned = False
        pcm = open_or_explain(self._alsa, resolve(device))
        try:
            setup = negotiate(self._alsa, pcm, device, samplerate, channels)
        except DeviceError:
            with contextlib.suppress(AlsaError):
                self._alsa.call("snd_pcm_close", pcm)
            raise
        self._reader = PcmReader(self._alsa, pcm, setup, self._limits.wait_ms)
        self.samplerate = setup.samplerate
        self.channels = setup.channels
        self.format = setup.format
        self.period = setup.period
        self.buffer = setup.buffer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, deliver: Deliver) -> None:
        """Start to capture, once per Capture. The reading thread calls `deliver` with each item.

        The last item is a DeviceError, unless the capture is stopped before.
        """
        self._deliver = deliver
        self._reading = True
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, within a period."""
        self._reader.stop()

    def close(self) -> None:
        """Stop and release the device. If the driver hangs, the thread does so when it returns."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(3 * self._limits.wait_ms / 1000)
        with self._lock:
            self._abandoned = self._reading
            if not self._reading:
                self._reader.release()

    def check_stall(self) -> None:
        """Raise StallError if the device has delivered no sound for too long."""
        if self._reader.silent_seconds > self._limits.stall_seconds:
            raise StallError(
                f"{self.device} is open but delivered no audio for "
                f"{self._limits.stall_seconds:g} s: reconnect the microphone"
            )

    def decode(self, raw: bytes | bytearray) -> Float32:
        """Decode what the device delivered to `(frames, channels)`, full scale 1."""
        return decode(raw, self.format, self.channels)

    def blocks(self) -> Iterator[Float32 | Gap]:
        """Yield the first of the wanted channels: float32 `(period,)` in [-1, 1), or a Gap.

        Ends after `stop`. Raises DeviceError when the device is unplugged, fails or stalls.
        """
        items: queue.Queue[CaptureItem] = queue.Queue(self._limits.queue_periods)

        def deliver(item: CaptureItem) -> None:
            while not self._reader.stopped:
                with contextlib.suppress(queue.Full):
                    items.put(item, timeout=self._limits.wait_ms / 1000)
                    break

        self.start(deliver)
        while not self._reader.stopped:
            try:
                item = items.get(timeout=PERIOD_SECONDS)
            except queue.Empty:
                self.check_stall()
                continue
            if isinstance(item, DeviceError):
                raise item
            if isinstance(item, Gap):
                yield item
            else:
                yield select_channel(self.decode(item.raw), self._channels[0])

    def _run(self) -> None:
        """Read the device until it fails or is stopped; this is the thread."""
        try:
            self._deliver_all()
        finally:
            with self._lock:
                self._reading = False
                if self._abandoned:
                    self._reader.release()

    def _deliver_all(self) -> None:
        try:
            self._reader.start()
            while not self._reader.stopped:
                item = self._reader.read()
                # A period that was read while it was stopped may be incomplete.
                if not self._reader.stopped:
                    self._deliver(item)
        except AlsaError as error:
            if self._reader.stopped:
                return
            failure = DeviceError(
                f"{self.device} stopped working ({error.strerror}): was it unplugged?"
            )
            failure.__cause__ = error
            self._deliver(failure)


def open_capture(
    device: str,
    *,
    wait: float = 0.0,
    samplerate: int = 16000,
    channels: Sequence[Channel] = (0,),
) -> Capture:
    """Return a Capture; a device that is missing or busy is tried again for `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return Capture(device, samplerate=samplerate, channels=channels)
        except DeviceError as error:
            if isinstance(error, FormatRefusedError) or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
