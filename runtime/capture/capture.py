"""Live audio from an ALSA capture device, at the device's own rate.

    with Capture("hw:1") as capture:
        for block in capture.blocks():  # float32 (frames,), or a Gap
            ...

A thread reads the device and hands over one period at a time, so that neither a driver that blocks
nor a listener that is busy can hide that the audio has stopped:

    device ring (2 s)  --thread-->  deliver(Block or Gap)

`edgeae.runtime.capture.microphone` opens a device again when it fails; here a failure is the end.
"""

import contextlib
import errno
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from ctypes import c_char, c_void_p
from dataclasses import dataclass
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..audio.channel import Channel, select_channel
from ..audio.pcm import FORMATS, decode
from ..errors import DeviceError
from ..system.clock import now
from .alsa import CAPTURE, NONBLOCK, PREPARED, Alsa, AlsaError
from .listing import list_devices
from .names import resolve
from .negotiate import PERIOD_SECONDS, FormatRefusedError, negotiate

QUEUE_PERIODS = 8
WAIT_MS = 300  # how long the reading thread can take to see that it was stopped; more than what it is woken for
STALL_SECONDS = 10.0
RETRY_SECONDS = 0.5

_RECOVERABLE = {errno.EPIPE: "overrun", errno.ESTRPIPE: "suspended"}
_NOT_YET = (errno.EAGAIN, errno.EINTR)
STATES = {  # of a device that cannot be opened
    errno.EBUSY: "busy",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.ENOENT: "missing",
    errno.ENODEV: "missing",
    errno.ENXIO: "missing",
}


@dataclass(frozen=True)
class Block:
    """One period as the device gives it."""

    raw: bytearray
    frames: int
    heard: float  # when its last sample was, seconds of `now`


@dataclass(frozen=True)
class Gap:
    """Audio that was lost: about how many frames at the device's rate, and why."""

    frames: int
    reason: str


class StallError(DeviceError):
    """A device that is open and delivers nothing."""


Deliver = Callable[[Block | Gap | DeviceError], None]


class Capture:
    """An open capture device.

    `device` is an ALSA name (`hw:1`, `plughw:1,0`, `hw:CARD=Device,DEV=0`, `default`) or one that stays
    (`usb:0d8c:013c`, `edgeae.runtime.capture.names`), which is looked up now. The device runs
    at `samplerate` Hz if it can, else at a multiple, else at the nearest rate above, else below; ALSA
    never resamples. `channels` are the wanted ones, counted from 0; "mix" is the mean of two channels,
    or of as many as the device insists on. `stop()` may be called from a thread or a signal handler.

    Raises DeviceError when the device is missing, busy, forbidden or refuses what was asked.
    """

    def __init__(
        self,
        device: str,
        *,
        samplerate: int = 16000,
        channels: Sequence[Channel] = (0,),
        stall_seconds: float = STALL_SECONDS,
        library: Alsa | None = None,
    ) -> None:
        self.device = device
        self._alsa = library or Alsa()
        self._wanted = channels
        self._stall_seconds = stall_seconds
        self._stopped = False
        self._thread = Thread(target=self._read_device, name=f"capture {device}", daemon=True)
        self._alive = time.monotonic()  # when it last delivered; sleep does not count
        self._lock, self._reading, self._abandoned = Lock(), False, False
        self._pcm: c_void_p | None = _open(self._alsa, resolve(device))
        try:
            setup = negotiate(self._alsa, self._pcm, device, samplerate, channels)
        except DeviceError:
            self.close()
            raise
        self.samplerate, self.channels, self.format = setup.samplerate, setup.channels, setup.format
        self.period, self.buffer = setup.period, setup.buffer

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
        """Read the device from now on, once per Capture; `deliver` runs in the thread that reads.

        The last that it is given is a DeviceError, unless the capture is stopped before.
        """
        self._deliver, self._known = deliver, now()
        self._alive, self._reading = time.monotonic(), True
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, within a period."""
        self._stopped = True

    def close(self) -> None:
        """Stop and release the device. A thread that hangs in the driver does that when it wakes up."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(3 * WAIT_MS / 1000)
        with self._lock:
            self._abandoned = self._reading
            if not self._reading:
                self._release()

    def _release(self) -> None:
        if self._pcm is not None:
            with contextlib.suppress(AlsaError):  # an unplugged device may refuse even this
                self._alsa.call("snd_pcm_close", self._pcm)
            self._pcm = None

    def check_stall(self) -> None:
        """StallError if no sound has come for too long."""
        if time.monotonic() - self._alive > self._stall_seconds:
            raise StallError(
                f"{self.device} is open but delivered no audio for {self._stall_seconds:g} s: reconnect the microphone"
            )

    def decode(self, raw: bytes | bytearray) -> NDArray[np.float32]:
        """What the device gave as `(frames, channels)`, full scale 1."""
        return decode(raw, self.format, self.channels)

    def blocks(self) -> Iterator[NDArray[np.float32] | Gap]:
        """The first of the wanted channels as it comes: float32 `(period,)` in [-1, 1), or a Gap in its place.

        Ends after `stop()`. Raises DeviceError when the device is unplugged, fails or stalls.
        """
        received: queue.Queue[Block | Gap | DeviceError] = queue.Queue(QUEUE_PERIODS)

        def deliver(item: Block | Gap | DeviceError) -> None:
            while not self._stopped:
                with contextlib.suppress(queue.Full):
                    received.put(item, timeout=WAIT_MS / 1000)
                    break

        self.start(deliver)
        while not self._stopped:
            try:
                item = received.get(timeout=PERIOD_SECONDS)
            except queue.Empty:
                self.check_stall()
                continue
            if isinstance(item, DeviceError):
                raise item
            yield (
                item
                if isinstance(item, Gap)
                else select_channel(self.decode(item.raw), self._wanted[0])
            )

    # The rest runs in the thread.

    def _read_device(self) -> None:
        try:
            self._read_on()
        finally:
            with self._lock:
                self._reading = False
                if self._abandoned:  # nobody waits for this thread any more
                    self._release()

    def _read_on(self) -> None:
        try:
            self._start()
            while not self._stopped:
                item = self._read_or_recover()
                if not self._stopped:  # what was read then is not whole
                    self._deliver(item)
        except AlsaError as error:
            failure = DeviceError(
                f"{self.device} stopped working ({error.strerror}): was it unplugged?"
            )
            failure.__cause__ = error
            if not self._stopped:
                self._deliver(failure)

    def _start(self) -> None:
        if self._alsa.call("snd_pcm_state", self._pcm) == PREPARED:  # a resumed device runs already
            self._alsa.call("snd_pcm_start", self._pcm)

    def _read_or_recover(self) -> Block | Gap:
        try:
            return self._read()
        except AlsaError as error:
            if error.errno not in _RECOVERABLE:
                raise
            return self._recover(error.errno)

    def _read(self) -> Block:
        """One whole period, in as many reads as it takes; less only when stopped."""
        width = self.channels * FORMATS[self.format][1]
        raw, filled = bytearray(self.period * width), 0
        while filled < self.period and not self._stopped:
            filled += self._read_some(
                (c_char * 0).from_buffer(raw, filled * width), self.period - filled
            )
        self._alive = time.monotonic()
        self._known = now() - self._waiting() / self.samplerate
        return Block(raw, self.period, self._known)

    def _waiting(self) -> int:
        """Frames in the ring: how far the sound that was read lies behind what is heard now."""
        try:
            return min(self._alsa.call("snd_pcm_avail_update", self._pcm), self.buffer)
        except AlsaError:  # an overrun, as the next read will say
            return 0

    _more = False  # there may be in the ring: it is emptied before it is waited for again

    def _read_some(self, target: object, frames: int) -> int:
        wait, self._more = not self._more, False
        try:
            if wait and not self._alsa.call("snd_pcm_wait", self._pcm, WAIT_MS):
                return 0
            count = self._alsa.call("snd_pcm_readi", self._pcm, target, frames)
        except AlsaError as error:
            if error.errno not in _NOT_YET:
                raise
            return 0
        self._more = count == frames
        return count

    _known = 0.0  # until when the sound is accounted for, by a block or a gap; seconds of `now`

    def _recover(self, code: int) -> Gap:
        """Set the device going again; what was heard since the last read is lost."""
        self._alsa.call("snd_pcm_recover", self._pcm, -code, 1)
        known = self._known
        self._start()
        self._known, self._alive = now(), time.monotonic()
        return Gap(max(0, round((self._known - known) * self.samplerate)), _RECOVERABLE[code])


def open_capture(device: str, *, wait: float = 0.0, **options: Any) -> Capture:
    """A Capture, tried again for ``wait`` seconds where the device is missing or busy; `options` are Capture's."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return Capture(device, **options)
        except DeviceError as error:
            if isinstance(error, FormatRefusedError) or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)


def _open(alsa: Alsa, device: str) -> c_void_p:
    try:
        return alsa.handle("snd_pcm_open", device.encode(), CAPTURE, NONBLOCK)
    except AlsaError as error:
        state = STATES.get(error.errno or 0)
        if state == "missing":
            raise DeviceError(f"there is no capture device {device}: {_choice(alsa)}") from error
        if state == "busy":
            raise DeviceError(
                f"{device} is in use by another program: `fuser -v /dev/snd/*` names it"
            ) from error
        if state == "forbidden":
            raise DeviceError(
                f"this user may not open {device}: sudo usermod -aG audio $USER, then log in again"
            ) from error
        raise DeviceError(f"{device} cannot be opened: {error.strerror}") from error


def _choice(alsa: Alsa) -> str:
    """What to do about a missing device, as the end of a sentence."""
    if devices := list_devices(alsa):
        return "there are " + ", ".join(f"{d.index} ({d.name}, {d.description})" for d in devices)
    return "this computer shows none, so check the cable and that this user is in the group audio"
