"""Live audio from an ALSA capture device, at the device's own rate.

    with Capture("hw:1") as capture:
        for block in capture.blocks():  # float32 (frames,), or a Gap
            ...

A thread reads the device and delivers one period at a time. Neither a driver that blocks nor a
caller that is busy can hide that the audio has stopped:

    ring of the device (4 s)  --thread-->  deliver(Block or Gap)

A Capture ends at the first failure; `edgeae.runtime.capture.microphone` opens the device again.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING

from ..audio.channel import Channel
from ..audio.pcm import decode
from ..errors import DeviceError
from ..system.arrays import Float32
from .alsa import Alsa, AlsaError
from .blocks import CaptureLimits, Deliver, Gap, OpenDevice, StallError, sound_blocks
from .names import resolve
from .negotiate import FormatRefusedError, negotiate
from .opening import open_or_explain
from .reader import PcmReader
from .stream_address import StreamAddress, is_address

if TYPE_CHECKING:
    from .ffmpeg import StreamCapture

RETRY_SECONDS = 0.5  # between two attempts of `open_capture`


class Capture(OpenDevice):
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
            wake_seconds = self._limits.wake_seconds
            setup = negotiate(self._alsa, pcm, device, samplerate, channels, wake_seconds)
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

    def start(self, deliver: Deliver) -> None:
        """Start to capture, once per Capture. The reading thread calls `deliver` with each item.

        The last item is a DeviceError, unless the capture is stopped before.
        """
        self._deliver = deliver
        self._reading = True
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, within the sound for which it wakes."""
        self._reader.stop()

    def close(self) -> None:
        """Stop and release the device. If the driver hangs, the thread does so when it returns."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(self._limits.close_seconds)
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
        """Yield the first of the wanted channels, see `sound_blocks`."""
        return sound_blocks(self, self._channels[0], self._limits)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._reader.stopped

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
    limits: CaptureLimits | None = None,
) -> "Capture | StreamCapture":
    """Return the capture of a device or of a network stream.

    One that is missing or busy is tried again for `wait` seconds.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            if is_address(device):
                from .ffmpeg import StreamCapture  # a microphone needs no child process

                return StreamCapture(device, channels=channels, limits=limits)
            return Capture(device, samplerate=samplerate, channels=channels, limits=limits)
        except DeviceError as error:
            if isinstance(error, FormatRefusedError) or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)


def check_stream(device: str) -> None:
    """ConfigError for an address that cannot be used, or if ffmpeg is missing; any other passes."""
    if is_address(device):
        from .ffmpeg import find_program

        find_program(StreamAddress.parse(device).name)
