"""The address at which people open the live page, for links in other outputs."""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..tcp_port import check_port
from .http_server import is_loopback, parse_address


def page_link(page: str | None, page_url: str | None, *, is_encrypted: bool) -> str | None:
    """The link to the page; None if there is none, or if other computers cannot open it.

    page, page_url: the values of --page and --page-url.
    is_encrypted: whether there is a certificate.

    A page at all addresses of this computer is opened by its name in the local network.
    ConfigError for a --page-url that is no address of a page.
    """
    if page_url:
        _check(page_url)
        return page_url
    if page is None:
        return None
    host, port = parse_address(page, "--page", 8321)
    try:
        address = ip_address(host)
    except ValueError:
        is_local = host == "localhost"
    else:
        is_local = is_loopback(host)
        if address.is_unspecified:
            host = f"{socket.gethostname().partition('.')[0]}.local"
        elif address.version == 6:
            host = f"[{host}]"
    if is_local or port == 0:
        return None
    return f"{'https' if is_encrypted else 'http'}://{host}:{port}/"


def is_url_of_this_computer(url: str) -> bool:
    """Whether a URL leads to this computer alone, whichever computer opens it."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return is_loopback(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check(page_url: str) -> None:
    check_port(page_url, "--page-url")
    try:
        parts = urlsplit(page_url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_right = is_right and page_url.isascii() and page_url.isprintable() and not parts.username
    except ValueError:
        is_right = False
    if not is_right:
        raise ConfigError(
            "--page-url: no address of a page; write one such as https://pi.lan:8321/, "
            "without a user"
        )
