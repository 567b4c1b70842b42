"""The address of an MQTT broker, and the names that edgeae uses there."""

import hashlib
import re
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import ConfigError
from ...system.identity import topic_level
from ...tcp_port import check_port

PASSWORD_VARIABLE = "EDGEAE_MQTT_PASSWORD"
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_PREFIX = "edgeae"
URL_ADVICE = "write mqtt://[user@]host[:1883][/prefix], or mqtts:// for TLS"


@dataclass(frozen=True)
class Broker:
    """What an MQTT URL names."""

    host: str
    port: int
    tls: bool
    user: str | None
    prefix: str  # of all topics

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """The broker of an MQTT URL; ConfigError for another URL, or for one with a password."""
        _refuse_password(url)
        check_port(url, "--mqtt")
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            port = parts.port or DEFAULT_PORTS[parts.scheme]
            url.encode()
            host.encode("idna")
        except (ValueError, KeyError):
            raise ConfigError(f"--mqtt {url!a}: not an MQTT URL; {URL_ADVICE}") from None
        if parts.scheme not in DEFAULT_PORTS or not host or parts.query or parts.fragment:
            raise ConfigError(f"--mqtt {url}: not an MQTT URL; {URL_ADVICE}")
        prefix = checked_prefix(unquote(parts.path).strip("/") or DEFAULT_PREFIX)
        user = unquote(parts.username) if parts.username else None
        return cls(host, port, tls=parts.scheme == "mqtts", user=user, prefix=prefix)


def _refuse_password(url: str) -> None:
    masked = re.sub(r"^(\w+://)?([^:@]*):(?!//).*@", r"\1\2:***@", url)
    if masked != url:
        raise ConfigError(
            f"--mqtt {masked}: every user of this computer can read a password in the URL; "
            f"put it into ${PASSWORD_VARIABLE} and write mqtt://user@host"
        )


def checked_prefix(prefix: str) -> str:
    """``prefix`` itself if topics can start with it; ConfigError otherwise."""
    levels = prefix.split("/")
    if prefix.startswith("$") or not all(re.fullmatch(r"[^+#\0]+", level) for level in levels):
        raise ConfigError(
            f"MQTT topics cannot start with {prefix!r}; "
            f"use letters, digits, '-' and single '/' between"
        )
    return prefix


def default_client_id(prefix: str) -> str:
    """The client id of this computer and prefix: always the same.

    It contains a digest of the machine id, because Raspberry Pis often share a host name.
    """
    try:
        machine_id = Path("/etc/machine-id").read_text()
    except OSError:
        machine_id = str(uuid.getnode())
    digest = hashlib.sha256(f"{machine_id} {prefix}".encode()).hexdigest()[:6]
    return f"{topic_level(socket.gethostname())}-{digest}"
