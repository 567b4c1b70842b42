"""Addresses of network streams, such as that of a camera with a microphone, in place of a device.

    rtsp://viewer:$CAMERA_PASSWORD@camera.lan/stream1      rtsp, rtsps, http and https
           ------ ----------------
           secret secret

A user, a password, a fragment and most of a query are secrets: `shown_name` is the address without
them, and the only form that lines, messages and topics have. $NAME, in any part behind the scheme
but the host, is a variable of the environment, so that no password stands on a command line.
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ..errors import ConfigError
from ..tcp_port import check_port

MIN_SECRET_CHARACTERS = 3
MAX_CHARACTERS = 4000  # of an address
SCHEMES = ("rtsp", "rtsps", "http", "https")
ADVICE = "write rtsp://, rtsps://, http:// or https://, as in rtsp://user:$PASSWORD@camera.lan/1"
ENCODE = "write / ? # and @ in a login, a path or a query as %2F %3F %23 and %40"
MASK = "***"
# Parts of a query that choose what is streamed, and are no secret. Any other may be one.
_PLAIN_KEYS = frozenset({"channel", "stream", "subtype", "profile", "unicast", "proto"})
_PLAIN_VALUE = re.compile(r"\d{1,4}(?:\.sdp)?|main|sub|Onvif")
# Names that are shown beside ***. Any other may be a part of a secret with an & and an =.
NAMES_OF_SECRETS = frozenset(
    "access_token apikey api_key auth key loginpas loginuse pass passwd password pwd session sid "
    "sig signature ticket token user username usr".split()
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:\[\]@$]+)(?::0*[1-9]\d{0,4})?")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class _Setting:
    """What stands between two & of a query, such as token=abc."""

    text: str

    @property
    def secret(self) -> str:
        """What must not be shown of it; empty for nothing."""
        key, _, value = self.text.partition("=")
        if key.lower() in _PLAIN_KEYS and _PLAIN_VALUE.fullmatch(value):
            return ""
        # Encoded bytes often end in =, which is no sign of a name then.
        is_named = key.lower() in _PLAIN_KEYS | NAMES_OF_SECRETS and value.strip("=")
        return value if is_named else self.text

    @property
    def shown(self) -> str:
        return self.text.removesuffix(self.secret) + MASK if self.secret else self.text


@dataclass(frozen=True)
class _Query:
    """A query, or the end of a path that is written like one."""

    text: str
    settings: tuple[_Setting, ...]

    @classmethod
    def parse(cls, text: str) -> "_Query":
        return cls(text, tuple(map(_Setting, text.split("&"))))

    @property
    def secrets(self) -> list[str]:
        return [setting.secret for setting in self.settings if setting.secret]

    @property
    def shown(self) -> str:
        return "&".join(setting.shown for setting in self.settings)


@dataclass(frozen=True)
class _Parts:
    """The parts of an address as it is written: scheme://login@host/path?query#fragment."""

    scheme: str
    login: str
    host: str  # with the port
    path: str  # with the / in front
    query: _Query
    fragment: str

    @classmethod
    def parse(cls, text: str) -> "_Parts":
        scheme, _, remaining = text.partition("://")
        remaining, _, fragment = remaining.partition("#")
        remaining, _, query = remaining.partition("?")
        netloc, slash, path = remaining.partition("/")
        login, _, host = netloc.rpartition("@")
        return cls(scheme, login, host, slash + path, _Query.parse(query), fragment)

    @property
    def is_ambiguous(self) -> bool:
        """Whether an @ stands behind the host, or behind a password that is not encoded."""
        return any("@" in part for part in (self.path, self.query.text, self.fragment))

    @property
    def user(self) -> str:
        """The user; empty if the login is one word, which may be a token."""
        user, _, password = self.login.partition(":")
        return user if password else ""

    @property
    def password(self) -> str:
        user, _, password = self.login.partition(":")
        return password or user

    @property
    def settings_of_path(self) -> _Query:
        """The end of a path that is written like a query, as some cameras want the login."""
        before, equals, after = self.path.partition("=")
        return _Query.parse(before.rpartition("/")[2] + equals + after if equals else "")

    @property
    def target(self) -> str:
        """What the server is asked for."""
        return f"{self.path}?{self.query.text}" if self.query.text else self.path

    @property
    def shown(self) -> str:
        if self.is_ambiguous:
            return f"{self.scheme}://{MASK}"
        # Where a valid host is missing, a user and a password may stand in its place.
        host = self.host if not self.host or _HOST.fullmatch(self.host) else MASK
        folders = self.path.removesuffix(self.settings_of_path.text)
        query = f"?{self.query.shown}" if self.query.text else ""
        return f"{self.scheme}://{host}{folders}{self.settings_of_path.shown}{query}"

    @property
    def secrets(self) -> list[str]:
        """The secrets but for the user, each as it is written."""
        secrets = (
            self.password,
            self.fragment,
            *self.settings_of_path.secrets,
            *self.query.secrets,
        )
        return [secret for secret in secrets if secret]


@dataclass(frozen=True)
class StreamAddress:
    """The address of a stream."""

    name: str  # without secrets
    url: str  # with them
    secrets: tuple[str, ...]  # parts of the address that must not be shown, the longest first

    @classmethod
    def parse(cls, text: str) -> "StreamAddress":
        """Read an address; ConfigError if it cannot be used, or if a variable is not set."""
        parts = _checked(text)
        values = _variables(text, parts.shown)
        user, _, password = parts.login.partition(":")
        # A password is encoded as a whole: it may hold what ends it, such as a /.
        words = [quote(unquote(_filled_in(word, values)), safe="") for word in (user, password)]
        login = f"{':'.join(word for word in words if word)}@" if parts.login else ""
        target = _filled_in(parts.target, values)
        # A quote would end the address in the list that ffmpeg reads.
        url = f"{parts.scheme.lower()}://{login}{parts.host}{target}".replace("'", "%27")
        return cls(parts.shown, url, _forms_of_secrets(text, url, values))

    def masked(self, text: str) -> str:
        """A message of ffmpeg without any secret."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text


def is_stream(device: str) -> bool:
    """Whether the name of a device is the address of a stream."""
    return device.partition("://")[0].lower() in SCHEMES and "://" in device


def is_address(device: str) -> bool:
    """Whether the name of a device looks like an address; that of a stream or a wrong one."""
    return "://" in device


def shown_name(device: str) -> str:
    """A device's name as lines and messages have it: of an address without login and secrets."""
    return _Parts.parse(device).shown if is_address(device) else device


def has_written_secrets(address: str) -> bool:
    """Whether secrets stand in an address themselves, and not as a variable each.

    A user beside a password that is a variable is no secret. Raises ConfigError for what is no
    address of a stream.
    """
    return any(not _VARIABLE.fullmatch(secret) for secret in _checked(address).secrets)


def _checked(text: str) -> _Parts:
    """The parts of an address; ConfigError if it cannot be one."""
    parts = _Parts.parse(text)
    if parts.is_ambiguous:
        raise ConfigError(f"--device {parts.shown}: an @ stands behind the host; {ENCODE}")
    has_host = _HOST.fullmatch(parts.host) is not None
    if not is_stream(text) or not has_host or not text.isprintable() or " " in text:
        raise ConfigError(f"--device {parts.shown}: no address of a stream; {ADVICE}")
    check_port(parts.host, f"--device {parts.shown}")
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"--device {parts.shown[:200]}...: the address has {len(text)} characters, and "
            f"{MAX_CHARACTERS} are allowed"
        )
    return parts


def _variables(text: str, name: str) -> dict[str, str]:
    """The values of the variables in an address; ConfigError for one that is not set."""
    values = {}
    for match in _VARIABLE.finditer(text):
        variable = match[1] or match[2]
        if variable not in os.environ:
            raise ConfigError(f"--device {name}: the variable ${variable} is not set; set it")
        values[variable] = os.environ[variable]
    return values


def _filled_in(text: str, values: dict[str, str]) -> str:
    """A text with the values of its variables, encoded."""
    return _VARIABLE.sub(lambda match: quote(values[match[1] or match[2]], safe=""), text)


def _forms_of_secrets(text: str, url: str, values: dict[str, str]) -> tuple[str, ...]:
    """What messages must not show: each secret as written, encoded and decoded."""
    words = list(values.values())
    # The URL has other secrets than the text where variables and encoding changed them.
    for parts in map(_Parts.parse, (text, url)):
        words += [*parts.secrets, parts.user, parts.login]
        if parts.query.secrets:
            words.append(parts.query.text)
        if parts.secrets:
            words += [text, url]
    # A shorter one stands in any word; it is masked where the whole login is.
    long = [word for word in words if len(word) >= MIN_SECRET_CHARACTERS]
    forms = {form for word in long for form in (word, unquote(word), quote(word, safe=""))}
    return tuple(sorted(forms, key=len, reverse=True))
