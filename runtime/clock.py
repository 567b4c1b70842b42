"""Is the computer's clock right? A Raspberry Pi has none of its own that runs while it is off."""

import ctypes

_ERROR = 5  # TIME_ERROR, the state of adjtimex for a clock that is not synchronised
_SIZE = 512  # bytes; struct timex is smaller


def synced() -> bool | None:
    """Whether the clock follows a time server; None where the system does not tell."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(adjtimex(ctypes.create_string_buffer(_SIZE)))  # all zero: it only asks
    return None if state < 0 else state != _ERROR
