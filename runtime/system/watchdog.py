"""systemd's watchdog, status line and start and stop messages: sd_notify(3) without its library.

    capture -> window -> score -> WATCHDOG=1 -> systemd     no score for WatchdogSec: it restarts us

A ping from a thread of its own would prove only that this thread lives. Here the live loop pings,
after a window was captured and scored, so that a driver that hangs, a microphone that is gone and a
network that never returns all lead to the same restart.

The variables are removed from the environment, so that programs that we start cannot ping for us.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from ..errors import ConfigError

STATUS_SECONDS = 5.0  # between two status lines, at least
MAX_STATUS_CHARACTERS = 200
PINGS_PER_INTERVAL = 4


class ServiceManager:
    """The systemd that started this process; without one, no method does anything.

    The methods neither wait nor raise: a message that cannot be sent now is sent when the next
    window is scored.
    """

    def __init__(
        self,
        environment: MutableMapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take systemd's variables out of ``environment``; ConfigError if one has no valid
        value."""
        self._clock = clock
        self._interval = _watchdog_seconds(
            environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        )
        self._last_ping = float("-inf")
        self._last_status = float("-inf")
        self._status = ""  # not sent yet
        self._socket: socket.socket | None = None
        address = environment.pop("NOTIFY_SOCKET", "")
        if address:
            self._address = _socket_address(address)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def ready(self) -> None:
        """Report that the start is complete; from here on the watchdog waits for scores."""
        self._send("READY=1")

    def scored(self) -> None:
        """Ping the watchdog, if a ping is due.

        Call it when a window was scored, or sound came that is not to be scored, and only then.
        """
        now = self._clock()
        is_due = now - self._last_ping >= self._interval / PINGS_PER_INTERVAL
        if self._interval and is_due and self._send("WATCHDOG=1"):
            self._last_ping = now
        self._send_status(now)

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows; of several texts in a row, the last is
        sent."""
        self._status = " ".join(text.split())[:MAX_STATUS_CHARACTERS]
        self._send_status(self._clock())

    def stopping(self) -> None:
        """Report that the process ends soon."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket; no message is sent after that."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send_status(self, now: float) -> None:
        is_due = now - self._last_status >= STATUS_SECONDS
        if self._status and is_due and self._send(f"STATUS={self._status}"):
            self._status = ""
            self._last_status = now

    def _send(self, message: str) -> bool:
        """True if the message was sent. A manager that is gone or busy does not stop the live
        loop."""
        if self._socket is None:
            return False
        with contextlib.suppress(OSError):
            self._socket.sendto(message.encode(errors="replace"), self._address)
            return True
        return False


def _socket_address(text: str) -> str:
    """The path of the socket; ``@`` stands for the zero byte of an abstract one."""
    if not text.startswith(("/", "@")) or len(text) < 2:
        raise ConfigError(
            f"NOTIFY_SOCKET={text!r} is neither a path nor an abstract socket (@...); unset it"
        )
    return "\0" + text[1:] if text[0] == "@" else text


def _watchdog_seconds(microseconds: str, process: str) -> float:
    """Seconds without a ping after which systemd kills this process; 0 if it does not watch it."""
    if not microseconds or (process and process != str(os.getpid())):
        return 0.0
    if not microseconds.isdecimal() or int(microseconds) == 0:
        raise ConfigError(
            f"WATCHDOG_USEC={microseconds!r} is not a positive number of microseconds; unset it"
        )
    return int(microseconds) / 1e6
