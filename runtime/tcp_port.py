"""The port at the end of an address."""

import re

from .errors import ConfigError

MAX_PORT = 65535
_PORT = re.compile(r":0*([0-9]{1,5})$")  # after more digits there may be a password, not a port


def check_port(address: str, option: str, min_port: int = 1) -> None:
    """Raise ConfigError for an address with a port that TCP does not have.

    The message shows the port alone, because an address may hold secrets. Other mistakes are left
    to the caller.

    address: HOST:PORT, or a URL
    option: what the message names, such as ``--mqtt``
    min_port: 0 where a server may choose its port
    """
    netloc = re.split(r"[/?#]", address.rpartition("://")[2], maxsplit=1)[0]
    match = _PORT.search(netloc.rpartition("@")[2])
    if match and not min_port <= int(match[1]) <= MAX_PORT:
        raise ConfigError(f"{option}: the port is {match[1]}; allowed is {min_port} to {MAX_PORT}")
