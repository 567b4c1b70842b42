"""The clocks of this computer, and whether a time service keeps the wall clock right.

A Raspberry Pi has no clock that runs while it is off.
"""

import ctypes
import time
from pathlib import Path
from typing import Protocol

# What adjtimex returns if no time service has set the clock for a long time (man 2 adjtimex).
TIME_ERROR = 5
# systemd-timesyncd touches this file when it has set the clock.
TIMESYNCD = Path("/run/systemd/timesync/synchronized")
# struct timex has 128 to 208 bytes; its first field, modes, is zero: adjtimex then changes nothing.
_TIMEX_BYTES = 512


class AdjustableClock(Protocol):
    """The part of the C library that is used here."""

    def adjtimex(self, timex: object, /) -> int: ...


def synced(library: AdjustableClock | None = None, flag: Path = TIMESYNCD) -> bool | None:
    """True if the clock is synchronised; None if the system does not say. Takes microseconds.

    library: the C library; flag: the file that timesyncd touches.

    The kernel knows of every time service (chrony, ntpd, timesyncd). A sandbox may forbid the
    question (systemd's ProtectClock=); then the file of timesyncd means yes, and its absence
    nothing.
    """
    try:
        state = (library or ctypes.CDLL(None)).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):  # there is no such library or function
        state = -1
    if state >= 0:
        return bool(state != TIME_ERROR)
    return True if flag.exists() else None


def now() -> float:
    """Seconds since boot, including those in which the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
