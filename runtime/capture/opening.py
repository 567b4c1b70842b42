"""Opening an ALSA device, and why that fails."""

import errno
from ctypes import c_void_p

from ..errors import DeviceError
from .alsa import CAPTURE, NONBLOCK, Alsa, AlsaError
from .listing import list_devices

BUSY = "busy"
FORBIDDEN = "forbidden"
MISSING = "missing"
BROKEN = "broken"

_STATES = {
    errno.EBUSY: BUSY,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.ENOENT: MISSING,
    errno.ENODEV: MISSING,
    errno.ENXIO: MISSING,
}
# Ends of a sentence that both `edgeae devices` and the errors of a capture use.
BUSY_REASON = "in use by another program: `fuser -v /dev/snd/*` names it"
GROUP_ADVICE = "sudo usermod -aG audio $USER, then log in again"


def open_pcm(alsa: Alsa, name: str) -> c_void_p:
    """Open an ALSA device for capture, without waiting for a busy one. Raises AlsaError."""
    return alsa.handle("snd_pcm_open", name.encode(), CAPTURE, NONBLOCK)


def failure_state(error: AlsaError) -> str:
    """Return the state of a device that failed to open: busy, forbidden, missing or broken."""
    return _STATES.get(error.errno or 0, BROKEN)


def open_or_explain(alsa: Alsa, name: str) -> c_void_p:
    """As `open_pcm`, but a failure is a DeviceError that says what to do."""
    try:
        return open_pcm(alsa, name)
    except AlsaError as error:
        state = failure_state(error)
        if state == MISSING:
            message = f"there is no capture device {name}: {_available(alsa)}"
        elif state == BUSY:
            message = f"{name} is {BUSY_REASON}"
        elif state == FORBIDDEN:
            message = f"this user may not open {name}: {GROUP_ADVICE}"
        else:
            message = f"{name} cannot be opened: {error.strerror}"
        raise DeviceError(message) from error


def _available(alsa: Alsa) -> str:
    """The devices that can be named instead, as the end of a sentence."""
    devices = list_devices(alsa)
    if not devices:
        return (
            "this computer shows none, so check the cable and that this user is in the group audio"
        )
    return "there are " + ", ".join(
        f"{device.index} ({device.name}, {device.description})" for device in devices
    )
