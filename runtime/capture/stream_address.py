"""Addresses of network streams, such as that of a camera with a microphone, in place of a device.

    rtsp://viewer:$CAMERA_PASSWORD@camera.lan/stream1      rtsp, rtsps, http and https

A user, a password and most of a query are secrets: `shown_name` is the address without them, and
the only form that lines, messages and topics have. $NAME in the login is a variable of the
environment, so that no password stands on a command line.
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import ConfigError

MIN_SECRET_CHARACTERS = 3
SCHEMES = ("rtsp", "rtsps", "http", "https")
ADVICE = "write rtsp://, rtsps://, http:// or https://, as in rtsp://user:$PASSWORD@camera.lan/1"
# Parts of a query that choose what is streamed, and are no secret. Any other may be one.
_PLAIN_KEYS = ("channel", "stream", "subtype", "profile", "unicast", "proto")
_PLAIN_VALUE = re.compile(r"\d{1,4}|main|sub|Onvif")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class StreamAddress:
    """The address of a stream."""

    name: str  # without secrets
    url: str  # with them
    secrets: tuple[str, ...]  # parts of the address that must not be shown, the longest first

    @classmethod
    def parse(cls, text: str) -> "StreamAddress":
        """Read an address; ConfigError if it cannot be used, or if a variable is not set."""
        name = shown_name(text)
        try:
            parts = urlsplit(text)
            has_host = bool(parts.hostname) and parts.port != 0
        except ValueError:
            has_host = False
        if not has_host or not text.isprintable() or " " in text:
            raise ConfigError(f"--device {name}: no address of a stream; {ADVICE}")
        login, _, host = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        words = [quote(unquote(_filled_in(word, name)), safe="") for word in (user, password)]
        netloc = f"{':'.join(word for word in words if word)}@{host}" if login else host
        # A quote would end the address in the list that ffmpeg reads.
        url = urlunsplit(parts._replace(netloc=netloc, fragment="")).replace("'", "%27")
        return cls(name, url, _secrets(url))

    def masked(self, text: str) -> str:
        """A message of ffmpeg without any secret."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def is_stream(device: str) -> bool:
    """Whether the name of a device is the address of a stream."""
    return device.partition("://")[0].lower() in SCHEMES and "://" in device


def shown_name(device: str) -> str:
    """A device's name as lines and messages have it: of a stream without login and secrets."""
    if not is_stream(device):
        return device
    scheme, _, rest = device.partition("://")
    netloc, slash, path = rest.partition("/")
    # A /, ? or # in a password that is not encoded would make a part of it the path or the query.
    if "@" in path:
        return f"{scheme}://***"
    path, question, query = path.partition("#")[0].partition("?")
    shown = "&".join(map(_shown_part, query.split("&")))
    host = re.split(r"[?#]", netloc.rpartition("@")[2])[0]
    return f"{scheme}://{host}{slash}{path}{question}{shown}"


def _shown_part(part: str) -> str:
    """A part of a query without its value, or as a whole ***, if it may be a secret."""
    key, equals, value = part.partition("=")
    if not equals:
        return "***" if part else ""
    return part if _is_plain(key, value) else f"{key}=***"


def _is_plain(key: str, value: str) -> bool:
    return key.lower() in _PLAIN_KEYS and _PLAIN_VALUE.fullmatch(value) is not None


def _filled_in(text: str, name: str) -> str:
    """A text with the values of its variables."""

    def value(match: re.Match[str]) -> str:
        variable = match[1] or match[2]
        if variable not in os.environ:
            raise ConfigError(f"--device {name}: the variable ${variable} is not set; set it")
        return quote(os.environ[variable], safe="")

    return _VARIABLE.sub(value, text)


def _secrets(url: str) -> tuple[str, ...]:
    """What must not be shown: the address as a whole, its login, and values of its query."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    pairs = [part.partition("=") for part in parts.query.split("&")]
    values = [value if equals else key for key, equals, value in pairs if not _is_plain(key, value)]
    values = [value for value in values if value]
    words = [login, *login.split(":"), *values, parts.query if values else ""]
    if login or values:
        words.append(url)
    # A shorter one stands in any word; it is masked where the whole login is.
    long = [word for word in words if len(word) >= MIN_SECRET_CHARACTERS]
    every = {form for word in long for form in (word, unquote(word))}
    return tuple(sorted(every, key=len, reverse=True))
