"""Live sound of a network stream, through ffmpeg as a child process.

    address --stdin--> ffmpeg --stdout: WAV--> thread --> deliver(Block or Gap)

ffmpeg receives the address through its standard input, as a list of one file, because every user
of the computer can read the arguments of a process. It decodes the first sound of the stream to
16 bits at the stream's own rate; edgeae resamples, as it does for a device. A StreamCapture ends at
the first failure; `edgeae.runtime.capture.microphone` opens the stream again.

A network delivers late and in bursts, and loses sound without a word. `StreamClock` therefore
compares the sound that came with the time that passed.
"""

import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import IO

from ..audio.channel import Channel
from ..audio.pcm import decode
from ..errors import ConfigError, DeviceError
from ..system.arrays import Float32
from ..system.clock import now
from .blocks import (
    Block,
    CaptureItem,
    CaptureLimits,
    Deliver,
    Gap,
    OpenDevice,
    StallError,
    sound_blocks,
)
from .negotiate import FormatRefusedError
from .stream_address import StreamAddress

PROGRAM = "ffmpeg"
FORMAT = "S16_LE"
SAMPLE_BYTES = 2
PROTOCOLS = "pipe,rtsp,rtsps,rtp,srtp,http,https,httpproxy,hls,tls,tcp,udp,crypto"
READ_SECONDS = 0.128  # of sound, at once
MAX_HEADER_BYTES = 1 << 16
MAX_SAMPLE_RATE = 192_000  # Hz
MAX_CHANNELS = 64
MAX_REASON_CHARACTERS = 160
MAX_LINES = 20  # of what ffmpeg says
MAX_LINE_BYTES = 8000
CLOSE_SECONDS = 2.0
OPEN_SECONDS = 20.0  # until the first sound: ffmpeg looks at the stream for up to 5 s
NO_PROGRAM = f"{PROGRAM} is not installed: sudo apt install {PROGRAM}"


@dataclass(frozen=True)
class StreamHeader:
    """What the WAV header of ffmpeg says."""

    samplerate: int  # Hz
    channels: int


class StreamClock:
    """Finds lost sound: what is missing from the time that passed, and does not come late.

    The clock of a camera may be slower than ours; a lack that grows no faster than that is not lost
    sound.
    """

    def __init__(
        self,
        *,
        min_seconds: float = 1.0,
        settle_seconds: float = 10.0,
        max_drift: float = 1e-3,
    ) -> None:
        """min_seconds: the least lack that is reported.

        settle_seconds: that it must last: sound that comes later is not lost.
        max_drift: how much slower the clock of the stream may be.
        """
        self._min_seconds = min_seconds
        self._settle_seconds = settle_seconds
        self._max_drift = max_drift
        self._start: float | None = None
        self._seconds = 0.0  # of sound and of reported gaps
        self._lacks: deque[tuple[float, float]] = deque()  # (time, seconds that were missing)

    def lost_seconds(self, at: float, seconds: float) -> float:
        """Add sound that came at a time; returns how much was lost before, else 0."""
        if self._start is None:
            self._start = at - seconds
        self._seconds += seconds
        elapsed = at - self._start
        lack = elapsed * (1 - self._max_drift) - self._seconds
        if lack <= 0:
            # The stream began with sound from before, or is faster: it is never behind that.
            self._start += lack / (1 - self._max_drift)
            self._lacks.clear()
            return 0.0
        self._lacks.append((at, lack))
        while len(self._lacks) > 1 and self._lacks[1][0] <= at - self._settle_seconds:
            self._lacks.popleft()
        is_settled = self._lacks[0][0] <= at - self._settle_seconds
        lost = min(one for _, one in self._lacks) if is_settled else 0.0
        if lost < self._min_seconds:
            return 0.0
        self._seconds += lost
        self._lacks.clear()
        return lost


class StreamCapture(OpenDevice):
    """An open network stream. Raises DeviceError if it cannot be opened."""

    def __init__(
        self,
        address: str,
        *,
        channels: Sequence[Channel] = (0,),
        limits: CaptureLimits | None = None,
        program: str | None = None,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        """channels: the wanted ones.

        program: path of ffmpeg; looked for if it is not given.
        open_seconds: until the first sound.
        """
        self._address = StreamAddress.parse(address)
        self.device = self._address.name
        self._limits = limits or CaptureLimits()
        self._channels = channels
        self._stop = Event()
        self._last_delivery = time.monotonic()
        path = program or find_program(self.device)
        self._process = _started(path, self._address)
        self._errors = _LastLines(self._process.stderr)
        self._thread = Thread(target=self._run, name=f"stream {self.device}", daemon=True)
        try:
            self._header = self._read_header(open_seconds)
            self._check_channels(channels)
        except BaseException:
            self.close()
            raise
        self.samplerate = self._header.samplerate
        self.channels = self._header.channels
        self.format = FORMAT
        self.period = round(READ_SECONDS * self.samplerate)
        self.buffer = self.period

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stop.is_set()

    def start(self, deliver: Deliver) -> None:
        """Start to deliver, once; the last item is a DeviceError, unless it is stopped before."""
        self._deliver = deliver
        self._last_delivery = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, soon."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and end ffmpeg."""
        self.stop()
        self._process.terminate()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        self._errors.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def check_stall(self) -> None:
        """Raise StallError if the stream has delivered no sound for too long."""
        silent_seconds = time.monotonic() - self._last_delivery
        if silent_seconds > self._limits.stall_seconds:
            raise StallError(
                f"{self.device} is connected but delivered no sound for "
                f"{self._limits.stall_seconds:g} s: check the network and the sender"
            )

    def decode(self, raw: bytes | bytearray) -> Float32:
        """Decode what the stream delivered to `(frames, channels)`, full scale 1."""
        return decode(raw, FORMAT, self.channels)

    def blocks(self) -> Iterator[Float32 | Gap]:
        """Yield the first of the wanted channels, see `sound_blocks`."""
        return sound_blocks(self, self._channels[0], self._limits)

    def _run(self) -> None:
        """Read ffmpeg until it ends or is stopped; this is the thread."""
        failure: DeviceError | None = None
        try:
            for item in self._items():
                self._deliver(item)
        except OSError as error:
            failure = DeviceError(f"{self.device} stopped working ({error.strerror})")
        if not self.stopped:
            self._deliver(failure or self._ended())

    def _items(self) -> Iterator[CaptureItem]:
        frame_bytes = SAMPLE_BYTES * self.channels
        clock = StreamClock()
        while not self.stopped:
            raw = self._read(self.period * frame_bytes)
            n_frames = len(raw) // frame_bytes
            if not n_frames:
                return
            at = now()
            self._last_delivery = time.monotonic()
            lost_seconds = clock.lost_seconds(at, n_frames / self.samplerate)
            if lost_seconds:
                yield Gap(round(lost_seconds * self.samplerate), "network")
            yield Block(raw[: n_frames * frame_bytes], n_frames, at)

    def _read(self, n_bytes: int) -> bytearray:
        """So many bytes, or fewer at the end of the stream."""
        pipe = self._process.stdout
        raw = bytearray()
        while pipe and len(raw) < n_bytes and not self.stopped:
            piece = pipe.read(n_bytes - len(raw))
            if not piece:
                break
            raw += piece
        return raw

    def _read_header(self, seconds: float) -> StreamHeader:
        """Wait for the header of ffmpeg; DeviceError if none comes in time."""
        headers: list[StreamHeader | None] = []

        def read() -> None:
            headers.append(_parsed_header(self._read))

        thread = Thread(target=read, name=f"header {self.device}", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._process.kill()
            thread.join(CLOSE_SECONDS)
            raise DeviceError(
                f"{self.device} delivered nothing in {seconds:g} s: check the address and the "
                f"network"
            )
        header = headers[0] if headers else None
        if header is None:
            raise self._ended()
        return header

    def _check_channels(self, wanted: Sequence[Channel]) -> None:
        missing = [
            channel
            for channel in wanted
            if isinstance(channel, int) and channel >= self._header.channels
        ]
        if missing:
            raise FormatRefusedError(
                f"{self.device} has {self._header.channels} channels, and no channel {missing[0]}; "
                f"they are counted from 0"
            )

    def _ended(self) -> DeviceError:
        """Why ffmpeg ended, as it says."""
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._errors.join()
        lines = [self._address.masked(line) for line in self._errors.lines]
        if any("matches no streams" in line for line in lines):
            return DeviceError(f"{self.device} has no sound: choose a stream with sound")
        reason = lines[-1].removeprefix("pipe:0: ") if lines else "the stream ended"
        reason = "".join(filter(str.isprintable, reason))[:MAX_REASON_CHARACTERS]
        return DeviceError(
            f"{self.device} delivers no sound ({reason}): check the address, the login and the "
            f"network"
        )


def find_program(device: str) -> str:
    """The path of ffmpeg; ConfigError that says what to install if there is none."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise ConfigError(f"--device {device}: {NO_PROGRAM}")
    return path


class _LastLines:
    """Reads what ffmpeg says, for months if need be, and keeps the last lines."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self._pipe = pipe
        self._thread = Thread(target=self._read, name="ffmpeg's messages", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of what ffmpeg says, for a limited time."""
        self._thread.join(CLOSE_SECONDS)

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # it was closed
            continues = False
            while self._pipe and (line := self._pipe.readline(MAX_LINE_BYTES)):
                is_cut = len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")
                text = line.decode(errors="replace").strip()
                # A part of a line may begin or end with a part of a secret, which is not masked.
                if text and not is_cut and not continues:
                    self.lines.append(text)
                continues = is_cut


def _started(path: str, address: StreamAddress) -> "subprocess.Popen[bytes]":
    """Start ffmpeg and send it the address."""
    arguments = ["-hide_banner", "-loglevel", "error", "-threads", "1"]
    source = ["-protocol_whitelist", PROTOCOLS, "-safe", "0", "-f", "concat", "-i", "pipe:0"]
    target = ["-map", "0:a:0", "-c:a", "pcm_s16le", "-flush_packets", "1", "-f", "wav", "pipe:1"]
    try:
        process = subprocess.Popen(
            [path, *arguments, *source, *target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C ends edgeae, which ends ffmpeg
        )
    except OSError as error:
        raise DeviceError(f"{address.name}: {path} cannot be started ({error.strerror})") from error
    lines = ["ffconcat version 1.0", f"file '{address.url}'"]
    if address.url.startswith("rtsp"):
        # UDP loses sound without a word.
        lines.append("option rtsp_transport tcp")
    if process.stdin:
        # A program that has ended already says why on stderr.
        with suppress(OSError), process.stdin as pipe:
            pipe.write("\n".join([*lines, ""]).encode())
    return process


def _parsed_header(read: Callable[[int], bytearray]) -> StreamHeader | None:
    """Read a WAV header up to its data; None if the stream ends before."""
    if bytes(read(12))[:4] != b"RIFF":
        return None
    header: StreamHeader | None = None
    n_bytes = 12
    while n_bytes < MAX_HEADER_BYTES:
        chunk = bytes(read(8))
        if len(chunk) < 8:
            return None
        if chunk[:4] == b"data":
            return header
        size = int.from_bytes(chunk[4:], "little")
        content = bytes(read(min(size + size % 2, MAX_HEADER_BYTES)))
        if chunk[:4] == b"fmt ":
            channels = int.from_bytes(content[2:4], "little")
            samplerate = int.from_bytes(content[4:8], "little")
            if not (0 < channels <= MAX_CHANNELS and 0 < samplerate <= MAX_SAMPLE_RATE):
                return None
            header = StreamHeader(samplerate, channels)
        n_bytes += 8 + len(content)
    return None
