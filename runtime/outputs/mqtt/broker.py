"""The address of an MQTT broker, and the names that edgeae has there."""

import hashlib
import re
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import ConfigError

PASSWORD = "EDGEAE_MQTT_PASSWORD"  # the environment variable
PORTS = {"mqtt": 1883, "mqtts": 8883}
EXAMPLE = "write mqtt://[user@]host[:1883][/prefix], or mqtts:// for TLS"


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
        """ConfigError for what is no MQTT URL, or holds a password."""
        shown = re.sub(r"^(\w+://)?([^:@]*):(?!//).*@", r"\1\2:***@", url)
        if shown != url:
            raise ConfigError(
                f"--mqtt {shown}: a password in the URL can be read by every user of this computer; "
                f"put it into ${PASSWORD} and write mqtt://user@host"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
            url.encode()
            host.encode("idna")
        except (ValueError, KeyError):
            raise ConfigError(f"--mqtt {url!a}: not an MQTT URL; {EXAMPLE}") from None
        if parts.scheme not in PORTS or not host or parts.query or parts.fragment:
            raise ConfigError(f"--mqtt {url}: not an MQTT URL; {EXAMPLE}")
        prefix = checked_prefix(unquote(parts.path).strip("/") or "edgeae")
        user = unquote(parts.username) if parts.username else None
        return cls(host, port, parts.scheme == "mqtts", user, prefix)


def checked_prefix(prefix: str) -> str:
    """``prefix`` if topics can start with it."""
    if prefix.startswith("$") or not all(
        re.fullmatch(r"[^+#\0]+", level) for level in prefix.split("/")
    ):
        raise ConfigError(
            f"MQTT topics cannot start with {prefix!r}: use letters, digits, '-' and single '/' between"
        )
    return prefix


def topic_level(name: str) -> str:
    """``name`` as a level of a topic."""
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "source"


def default_client(prefix: str) -> str:
    """The same for this computer and prefix each time; two Raspberry Pis with one host name differ."""
    try:
        machine = Path("/etc/machine-id").read_text()
    except OSError:
        machine = str(uuid.getnode())
    return f"{topic_level(socket.gethostname())}-{hashlib.sha256(f'{machine} {prefix}'.encode()).hexdigest()[:6]}"
