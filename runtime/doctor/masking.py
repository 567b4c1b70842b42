"""Secrets out of what people paste into public reports."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MASK = "***"
TELLING = 6  # characters from which on a serial number is masked wherever it stands; a shorter one may be any number

_SECRET = r"(?:pass|pwd|token|secret|key|credential|auth)"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_ASSIGNED = re.compile(rf"([\w-]*{_SECRET}[\w-]*\s*[=:]\s*).*", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"https?://[^\s/@]+(?:/\S*)?$")
_LOGIN = re.compile(r"://.*@", re.DOTALL)  # rather too much than a password with a space
_USB = "usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}:"
_ORDINARY_HOSTS = {"", "localhost", "raspberrypi", "edgeae"}  # say nothing of their owner


def variable(name: str, value: str) -> str:
    """The value of an environment variable, in one line.

    Gone is all of it where the name speaks of a secret, all that follows a secret's name in it, and all before
    its last @: a password may hold any character, also one that a URL forbids.
    """
    if _SECRET_NAME.search(name):
        return MASK
    value = _ASSIGNED.sub(rf"\g<1>{MASK}", value)
    if _ADDRESS.match(value):  # all but its scheme and host may be secret
        parts = urlsplit(value)
        value = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{MASK}"
    login, at, rest = value.rpartition("@")
    if at:
        scheme, colon, _ = login.partition("://")
        value = f"{scheme}{colon}{MASK}@{rest}" if colon else f"{MASK}@{rest}"
    return " ".join(value.split())


def page(text: str, *, home: str, host: str, serials: Iterable[str] = ()) -> str:
    """A text without logins in URLs, serial numbers, the name of the computer and of anybody's home folder."""
    for serial in sorted(filter(None, serials), key=len, reverse=True):
        if len(serial) >= TELLING:
            text = text.replace(serial, MASK)
        text = re.sub(rf"({_USB}){re.escape(serial)}(?!\w)", rf"\1{MASK}", text)
    text = re.sub(rf"({_USB})[^\s,()]+", rf"\1{MASK}", text)
    text = _LOGIN.sub(f"://{MASK}@", text)
    if home.rstrip("/"):
        text = re.sub(rf"{re.escape(home.rstrip('/'))}(?![\w.-])", "~", text)
    text = re.sub(r"(?<!\w)/home/[^/\s:;,'\"]+", "~", text)
    for name in (host, host.partition(".")[0]):
        if name.lower() not in _ORDINARY_HOSTS:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "HOST", text)
    return text
