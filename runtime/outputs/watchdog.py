"""systemd hears that sound is heard: sd_notify(3) without its library.

    capture -> window -> score -> WATCHDOG=1 -> systemd        no score for WatchdogSec: killed and started again

A thread of its own that pings proves that a thread lives. Here the loop that listens pings, after a window was
captured and scored, so that a driver that hangs, a microphone that is gone and a network that never
returns all end in the same restart.

The variables of the environment are taken out of it, so that programs started by us cannot ping in our name.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from ..errors import ConfigError

STATUS_SECONDS = 5.0  # at most one text in so many
STATUS_CHARACTERS = 200
PINGS = 4  # in the time after which systemd loses patience


class Notify:
    """The service manager that started us; without one, all of it does nothing.

    Never waits and never raises after construction: a message that cannot be sent now is sent when the next window
    is scored. ConfigError if the environment holds an address or interval that is none.
    """

    def __init__(
        self,
        environment: MutableMapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._socket = clock, None
        self._interval = _interval(
            environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        )
        self._pinged = self._told = float("-inf")
        self._text = ""
        if address := environment.pop("NOTIFY_SOCKET", ""):
            self._address = _address(address)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def ready(self) -> None:
        """What can be checked at the start was; from here on the watchdog waits for scores."""
        self._send("READY=1")

    def scored(self) -> None:
        """A window was captured and scored: to be called then, and only then."""
        now = self._clock()
        if (
            self._interval
            and now - self._pinged >= self._interval / PINGS
            and self._send("WATCHDOG=1")
        ):
            self._pinged = now
        self._tell(now)

    def status(self, text: str) -> None:
        """One line for `systemctl status`; of texts that follow each other quickly the last is told."""
        self._text = " ".join(text.split())[:STATUS_CHARACTERS]
        self._tell(self._clock())

    def stopping(self) -> None:
        """The end was asked for, and may take a moment."""
        self._send("STOPPING=1")

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _tell(self, now: float) -> None:
        if self._text and now - self._told >= STATUS_SECONDS and self._send(f"STATUS={self._text}"):
            self._text, self._told = "", now

    def _send(self, message: str) -> bool:
        """Whether it went out. A manager that is gone or busy is no reason to stop listening."""
        if self._socket is None:
            return False
        with contextlib.suppress(OSError):
            self._socket.sendto(message.encode(errors="replace"), self._address)
            return True
        return False


def _address(text: str) -> str:
    """The path of the socket; ``@`` stands for the zero byte of an abstract one."""
    if not text.startswith(("/", "@")) or len(text) < 2:
        raise ConfigError(
            f"NOTIFY_SOCKET={text!r} is neither a path nor an abstract socket (@...); unset it"
        )
    return "\0" + text[1:] if text[0] == "@" else text


def _interval(microseconds: str, process: str) -> float:
    """Seconds after which the watchdog bites; 0 where there is none, or it watches another process."""
    if not microseconds or (process and process != str(os.getpid())):
        return 0.0
    if not microseconds.isdecimal() or int(microseconds) == 0:
        raise ConfigError(f"WATCHDOG_USEC={microseconds!r} is no number of microseconds; unset it")
    return int(microseconds) / 1e6
