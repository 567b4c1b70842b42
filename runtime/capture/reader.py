"""Reads an open device: one period at a time, with a Gap where sound was lost."""

import contextlib
import errno
import time
from ctypes import c_char, c_void_p

from ..system.clock import now
from .alsa import PREPARED, Alsa, AlsaError
from .blocks import Block, Gap
from .negotiate import PcmSetup

_GAP_REASONS = {errno.EPIPE: "overrun", errno.ESTRPIPE: "suspended"}
_TRY_AGAIN = (errno.EAGAIN, errno.EINTR)
# In a row, without sound between them. A plug-in whose sound server is gone can be recovered
# without end, and never delivers.
MAX_RECOVERIES = 3


class PcmReader:
    """Reads an open device, in one thread. `stop` and `silent_seconds` are for any thread."""

    def __init__(self, alsa: Alsa, pcm: c_void_p, setup: PcmSetup, wait_ms: int) -> None:
        """wait_ms: milliseconds that a read waits for sound before it looks whether to stop."""
        self.stopped = False
        self._alsa = alsa
        self._pcm: c_void_p | None = pcm
        self._setup = setup
        self._wait_ms = wait_ms
        # Up to when the sound is accounted for, by a block or a gap; seconds of `now`.
        self._accounted_until = now()
        self._last_delivery = time.monotonic()
        self._n_recoveries = 0  # since the last sound
        # The ring may hold more than was read: it is emptied before the next wait.
        self._ring_has_more = False

    def start(self) -> None:
        """Let the device capture from now on. Raises AlsaError."""
        self._accounted_until = now()
        self._last_delivery = time.monotonic()
        self._start_device()

    def stop(self) -> None:
        """Let a read end with less than a period, as soon as it wakes."""
        self.stopped = True

    def release(self) -> None:
        """Close the device; it cannot be read afterwards."""
        if self._pcm is None:
            return
        with contextlib.suppress(AlsaError):  # an unplugged device may refuse even this
            self._alsa.call("snd_pcm_close", self._pcm)
        self._pcm = None

    @property
    def silent_seconds(self) -> float:
        """Seconds since the device last delivered, without those that the computer slept."""
        return time.monotonic() - self._last_delivery

    def read(self) -> Block | Gap:
        """Read one period, or recover the device and return what it lost. Raises AlsaError."""
        try:
            return self._read_period()
        except AlsaError as error:
            self._n_recoveries += 1
            if error.errno not in _GAP_REASONS or self._n_recoveries > MAX_RECOVERIES:
                raise
            return self._recover(error.errno)

    def _start_device(self) -> None:
        # A device that was resumed runs already.
        if self._alsa.call("snd_pcm_state", self._pcm) == PREPARED:
            self._alsa.call("snd_pcm_start", self._pcm)

    def _read_period(self) -> Block:
        """Read one period, in as many reads as it takes; less only when stopped."""
        period = self._setup.period
        frame_bytes = self._setup.frame_bytes
        raw = bytearray(period * frame_bytes)
        n_read = 0
        while n_read < period and not self.stopped:
            target = (c_char * 0).from_buffer(raw, n_read * frame_bytes)
            n_read += self._read_available(target, period - n_read)
        self._n_recoveries = 0
        self._last_delivery = time.monotonic()
        self._accounted_until = now() - self._frames_in_ring() / self._setup.samplerate
        return Block(raw, period, self._accounted_until)

    def _frames_in_ring(self) -> int:
        """Frames that the device has captured and nobody has read."""
        try:
            available = self._alsa.call("snd_pcm_avail_update", self._pcm)
        except AlsaError:  # an overrun, which the next read reports
            return 0
        return min(available, self._setup.buffer)

    def _read_available(self, target: object, n_frames: int) -> int:
        """Read up to `n_frames` into `target`; returns how many, 0 if none came in time."""
        wait_first = not self._ring_has_more
        self._ring_has_more = False
        try:
            if wait_first and not self._alsa.call("snd_pcm_wait", self._pcm, self._wait_ms):
                return 0
            n_read = self._alsa.call("snd_pcm_readi", self._pcm, target, n_frames)
        except AlsaError as error:
            if error.errno in _TRY_AGAIN:
                return 0
            raise
        self._ring_has_more = n_read == n_frames
        return n_read

    def _recover(self, code: int) -> Gap:
        """Start the device again. All sound since the last read is lost."""
        self._alsa.call("snd_pcm_recover", self._pcm, -code, 1)
        lost_since = self._accounted_until
        self._start_device()
        self._accounted_until = now()
        self._last_delivery = time.monotonic()
        lost_seconds = self._accounted_until - lost_since
        lost_frames = max(0, round(lost_seconds * self._setup.samplerate))
        return Gap(lost_frames, _GAP_REASONS[code])
