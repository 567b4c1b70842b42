"""Does somebody keep this computer's clock right? A Raspberry Pi has no clock that runs while it is off."""

import ctypes
import time
from pathlib import Path
from typing import Any

TIME_ERROR = (
    5  # what adjtimex returns while no time service has set the clock for long (man 2 adjtimex)
)
TIMESYNCD = Path(
    "/run/systemd/timesync/synchronized"
)  # systemd-timesyncd touches it when it has set the clock
_TIMEX_BYTES = 512  # struct timex has 128 to 208, and no modes (zero) means to ask only


def synced(library: Any = None, flag: Path = TIMESYNCD) -> bool | None:
    """Whether the clock is synchronised; None where the system does not tell. Takes microseconds.

    The kernel knows of every time service (chrony, ntpd, timesyncd). A sandbox may forbid to ask it
    (systemd's ProtectClock=); then the trace that timesyncd leaves says yes, and its absence nothing.
    """
    try:
        state = (library or ctypes.CDLL(None)).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):  # no such library, no such function
        state = -1
    if state >= 0:
        return bool(state != TIME_ERROR)
    return True if flag.exists() else None


def now() -> float:
    """Seconds that also count while the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
