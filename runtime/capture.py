"""Live audio from an ALSA capture device, at the device's own rate.

    with Capture("hw:1") as capture:
        for block in capture.blocks():  # float32 (frames,), or a Gap
            ...

A thread reads the device and hands over one period at a time, so that neither a driver that blocks
nor a listener that is busy can hide that the audio has stopped:

    device ring (2 s)  --thread-->  queue (8 periods)  --blocks()-->  listener

A listener that falls behind fills the queue, then the ring; what is lost after that is a Gap.
"""

import contextlib
import errno
import queue
import time
from collections.abc import Iterator
from ctypes import byref, c_char, c_int, c_void_p
from dataclasses import dataclass
from threading import Thread
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .alsa import CAPTURE, NONBLOCK, PREPARED, Alsa, AlsaError
from .audio import Channel, select_channel
from .errors import DeviceError
from .pcm import FORMATS, PERIOD_SECONDS, decode, negotiate

QUEUE_PERIODS = 8
WAIT_MS = 100  # how long the reading thread can take to see that it was stopped

_RECOVERABLE = {errno.EPIPE: "overrun", errno.ESTRPIPE: "suspended"}
_NOT_YET = (errno.EAGAIN, errno.EINTR)


@dataclass(frozen=True)
class Gap:
    """Audio that was lost: about how many frames at the device's rate, and why."""

    frames: int
    reason: str


@dataclass(frozen=True)
class Device:
    """A capture device: its name that survives a reboot, its name by number, and what it is."""

    name: str
    index: str
    description: str


class Capture:
    """An open capture device, read as blocks of one channel.

    `device` is an ALSA name (`hw:1`, `plughw:1,0`, `hw:CARD=Device,DEV=0`, `default`). The device runs
    at `samplerate` Hz if it can, else at a multiple, else at the nearest rate above, else below; ALSA
    never resamples. `channel` counts from 0; "mix" is the mean of two channels, or of as many as the
    device insists on. `stop()` may be called from a thread or a signal handler.

    Raises DeviceError when the device is missing, busy, forbidden or refuses what was asked.
    """

    def __init__(
        self,
        device: str,
        *,
        samplerate: int = 16000,
        channel: Channel = 0,
        stall_seconds: float = 10.0,
        library: Alsa | None = None,
    ) -> None:
        self.device = device
        self._alsa = library or Alsa()
        self._channel = channel
        self._stall_seconds = stall_seconds
        self._stopped = False
        self._thread = Thread(target=self._read_device, name=f"capture {device}", daemon=True)
        self._queue: queue.Queue[bytearray | Gap | AlsaError] = queue.Queue(QUEUE_PERIODS)
        self._pcm: c_void_p | None = _open(self._alsa, device)
        try:
            setup = negotiate(self._alsa, self._pcm, device, samplerate, channel)
        except DeviceError:
            self.close()
            raise
        self.samplerate, self.channels, self.format = setup.samplerate, setup.channels, setup.format
        self.period, self.buffer = setup.period, setup.buffer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Let `blocks` end, within a period."""
        self._stopped = True

    def close(self) -> None:
        """Stop and release the device. A thread that hangs in the driver keeps it until the process ends."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(3 * WAIT_MS / 1000)
        if self._pcm is not None and not self._thread.is_alive():
            with contextlib.suppress(AlsaError):  # an unplugged device may refuse even this
                self._alsa.call("snd_pcm_close", self._pcm)
            self._pcm = None

    def blocks(self) -> Iterator[NDArray[np.float32] | Gap]:
        """Audio as it comes, once per Capture: float32 `(period,)` in [-1, 1), or a Gap in its place.

        Ends after `stop()`. Raises DeviceError when the device is unplugged, fails or delivers nothing
        for `stall_seconds`.
        """
        self._thread.start()
        while (item := self._next()) is not None:
            if isinstance(item, AlsaError):
                raise DeviceError(f"{self.device} stopped working ({item.strerror}): was it unplugged?") from item
            yield item if isinstance(item, Gap) else self._mono(item)

    def _next(self) -> bytearray | Gap | AlsaError | None:
        """What the thread read next; None once stopped."""
        deadline = time.monotonic() + self._stall_seconds
        while not self._stopped:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=PERIOD_SECONDS)
            if time.monotonic() > deadline:
                raise DeviceError(
                    f"{self.device} is open but delivered no audio for {self._stall_seconds:g} s: "
                    "reconnect the microphone"
                )
        return None

    def _mono(self, raw: bytearray) -> NDArray[np.float32]:
        return select_channel(decode(raw, self.format, self.channels), self._channel)

    # The rest runs in the thread.

    def _read_device(self) -> None:
        try:
            self._start()
            while not self._stopped:
                self._deliver(self._read_or_recover())
        except AlsaError as error:
            self._deliver(error)

    def _start(self) -> None:
        if self._alsa.call("snd_pcm_state", self._pcm) == PREPARED:  # a resumed device runs already
            self._alsa.call("snd_pcm_start", self._pcm)
        self._heard = _now()

    def _deliver(self, item: bytearray | Gap | AlsaError) -> None:
        while not self._stopped:
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=WAIT_MS / 1000)
                break

    def _read_or_recover(self) -> bytearray | Gap:
        try:
            return self._read()
        except AlsaError as error:
            if error.errno not in _RECOVERABLE:
                raise
            return self._recover(error.errno)

    def _read(self) -> bytearray:
        """One whole period, in as many reads as it takes; less only when stopped."""
        width = self.channels * FORMATS[self.format][1]
        raw, filled = bytearray(self.period * width), 0
        while filled < self.period and not self._stopped:
            filled += self._read_some((c_char * 0).from_buffer(raw, filled * width), self.period - filled)
        self._heard = _now()
        return raw

    def _read_some(self, target: object, frames: int) -> int:
        try:
            if not self._alsa.call("snd_pcm_wait", self._pcm, WAIT_MS):
                return 0
            return self._alsa.call("snd_pcm_readi", self._pcm, target, frames)
        except AlsaError as error:
            if error.errno not in _NOT_YET:
                raise
            return 0

    def _recover(self, code: int) -> Gap:
        """Set the device going again. After an overrun at least its whole buffer is lost."""
        self._alsa.call("snd_pcm_recover", self._pcm, -code, 1)
        heard = self._heard
        self._start()
        elapsed = round((self._heard - heard) * self.samplerate)
        return Gap(max(elapsed, self.buffer if code == errno.EPIPE else 0), _RECOVERABLE[code])


def list_devices(library: Alsa | None = None) -> list[Device]:
    """The capture devices of this computer, in the order of their numbers; none is an empty list."""
    alsa = library or Alsa()
    found: list[Device] = []
    card = c_int(-1)
    while alsa.call("snd_card_next", byref(card)) == 0 and card.value >= 0:
        with contextlib.suppress(AlsaError):  # a card that vanished, or that this user may not open
            found += _devices_of_card(alsa, card.value)
    return found


def _devices_of_card(alsa: Alsa, card: int) -> list[Device]:
    control = alsa.handle("snd_ctl_open", b"hw:%d" % card, 0)
    try:
        info = alsa.structure("snd_ctl_card_info")
        alsa.call("snd_ctl_card_info", control, info)
        identity = alsa.text("snd_ctl_card_info_get_id", info)
        title = alsa.text("snd_ctl_card_info_get_name", info)
        return [
            Device(f"hw:CARD={identity},DEV={number}", f"hw:{card},{number}", f"{title}, {name}")
            for number, name in _capture_streams(alsa, control)
        ]
    finally:
        alsa.call("snd_ctl_close", control)


def _capture_streams(alsa: Alsa, control: c_void_p) -> Iterator[tuple[int, str]]:
    """Number and name of each device of a card that can capture."""
    number = c_int(-1)
    while alsa.call("snd_ctl_pcm_next_device", control, byref(number)) == 0 and number.value >= 0:
        info = alsa.structure("snd_pcm_info")
        alsa.call("snd_pcm_info_set_device", info, number.value)
        alsa.call("snd_pcm_info_set_stream", info, CAPTURE)
        with contextlib.suppress(AlsaError):  # this one only plays
            alsa.call("snd_ctl_pcm_info", control, info)
            yield number.value, alsa.text("snd_pcm_info_get_name", info)


def _now() -> float:
    """Seconds that also count while the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _open(alsa: Alsa, device: str) -> c_void_p:
    try:
        return alsa.handle("snd_pcm_open", device.encode(), CAPTURE, NONBLOCK)
    except AlsaError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise DeviceError(f"there is no capture device {device}: {_choice(alsa)}") from error
        if error.errno == errno.EBUSY:
            raise DeviceError(f"{device} is in use by another program: `fuser -v /dev/snd/*` names it") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise DeviceError(
                f"this user may not open {device}: sudo usermod -aG audio $USER, then log in again"
            ) from error
        raise DeviceError(f"{device} cannot be opened: {error.strerror}") from error


def _choice(alsa: Alsa) -> str:
    """What to do about a missing device, as the end of a sentence."""
    if devices := list_devices(alsa):
        return "there are " + ", ".join(f"{d.index} ({d.name}, {d.description})" for d in devices)
    return "this computer shows none, so check the cable and that this user is in the group audio"
