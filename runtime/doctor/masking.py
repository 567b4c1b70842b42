"""Mask secrets and personal data in text that people paste into public reports."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MASK = "***"
# A serial number of at least so many characters is masked wherever it stands. A shorter one may be
# any number, so it is masked only behind usb:VID:PID.
MIN_SERIAL_LENGTH = 6

_SECRET = r"(?:pass|pwd|token|secret|key|credential|auth)"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_ASSIGNED = re.compile(rf"([\w-]*{_SECRET}[\w-]*\s*[=:]\s*).*", re.IGNORECASE | re.DOTALL)
# Without @, behind which a login may stand.
_ADDRESS = re.compile(r"https?://[^\s/@]+(?:/[^\s@]*)?$")
# Up to the last @: rather too much text than a password with a space.
_LOGIN = re.compile(r"://.*@", re.DOTALL)
_USB = "usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}:"
# Names of computers that do not identify their owner.
_COMMON_HOSTS = {"", "localhost", "raspberrypi", "edgeae"}


def masked_variable(name: str, value: str) -> str:
    """Return the value of an environment variable in one line, without secrets.

    All of the value is masked if the variable's name suggests a secret. Else these parts are
    masked: what follows such a name inside the value, and everything before the last @. A password
    may contain any character, even one that a URL forbids.
    """
    if _SECRET_NAME.search(name):
        return MASK
    value = _ASSIGNED.sub(rf"\g<1>{MASK}", value)
    # Of a web address, everything but scheme and host may be secret.
    if _ADDRESS.match(value):
        parts = urlsplit(value)
        value = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{MASK}"
    login, at, after = value.rpartition("@")
    if at:
        scheme, separator, _ = login.partition("://")
        value = f"{scheme}://{MASK}@{after}" if separator else f"{MASK}@{after}"
    return " ".join(value.split())


def masked(text: str, *, home: str, host: str, serials: Iterable[str] = ()) -> str:
    """Return a text without logins in URLs, serial numbers, host name and home folders.

    home: this user's home folder; empty if there is none.
    host: name of this computer.
    serials: serial numbers of USB devices.
    """
    text = _mask_serials(text, serials)
    text = _LOGIN.sub(f"://{MASK}@", text)
    text = _mask_home(text, home.rstrip("/"))
    for name in (host, host.partition(".")[0]):
        if name.lower() not in _COMMON_HOSTS:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "HOST", text)
    return text


def _mask_serials(text: str, serials: Iterable[str]) -> str:
    # A serial number may contain another one, so the longest goes first.
    for serial in sorted(filter(None, serials), key=len, reverse=True):
        if len(serial) >= MIN_SERIAL_LENGTH:
            text = text.replace(serial, MASK)
        text = re.sub(rf"({_USB}){re.escape(serial)}(?!\w)", rf"\1{MASK}", text)
    # Of a device that is not plugged in, nobody knows the serial number.
    return re.sub(rf"({_USB})[^\s,()]+", rf"\1{MASK}", text)


def _mask_home(text: str, home: str) -> str:
    if home:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    return re.sub(r"(?<!\w)/home/[^/\s:;,'\"]+", "~", text)
