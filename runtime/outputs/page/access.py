"""Who may read the page, and who may say something on it.

                  at 127.0.0.1 or ::1     at any other address, or behind a proxy (--page-url)
    read          everybody               who knows the token
    write         who knows the token     who knows the token

A program sends the token with each request (`Authorization: Bearer`). A browser sends it once, and
receives a cookie: the time until which it is valid, and an HMAC of it with the token as the key. So
nothing about logins is stored, a restart ends none, and another token ends all.

Wrong tokens are counted for each address. Behind a proxy all requests come from its address; if it
runs on this computer and --page-url declares it, the address is the last one in X-Forwarded-For,
which is the one that the proxy itself has added. A browser that is logged in never waits.
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from .token import TokenGuard

SESSION_SECONDS = 30 * 86_400
PURPOSE = b"edgeae page session until "


class Sessions:
    """Makes and checks the cookies of browsers that have sent the token."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._key = token.encode()
        self._clock = clock

    def new(self) -> str:
        """The value of a new cookie."""
        return self._signed(str(round(self._clock()) + SESSION_SECONDS))

    def is_valid(self, value: str) -> bool:
        """Whether a cookie was made with this token and is not too old."""
        until = value.partition(".")[0]
        is_genuine = hmac.compare_digest(
            self._signed(until).encode(), value.encode(errors="replace")
        )
        return is_genuine and until.isdigit() and self._clock() < int(until)

    def _signed(self, until: str) -> str:
        message = PURPOSE + until.encode(errors="replace")
        return f"{until}.{hmac.new(self._key, message, sha256).hexdigest()}"


@dataclass(frozen=True)
class Credentials:
    """What a request sends about the person or program behind it."""

    address: str  # of the client
    authorization: str  # the header; "": none
    cookies: str  # the header; "": none
    origin: str | None  # the header; None: a program sends none

    @property
    def bearer(self) -> str | None:
        """The token in the header; None without one."""
        scheme, _, token = self.authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


class PageAccess:
    """The rules of one page."""

    def __init__(
        self,
        token: str | None = None,
        *,
        is_public: bool = True,
        is_encrypted: bool = False,
        guard: TokenGuard | None = None,
    ) -> None:
        """token: None: nobody can write.

        is_public: whether other computers reach the page, also through a proxy (`has_proxy`).
        is_encrypted: whether browsers open it over TLS, here or at a proxy.
        guard: counts wrong tokens.
        """
        self.is_public = is_public
        self.has_proxy = False
        self._is_encrypted = is_encrypted
        self._sessions = Sessions(token) if token else None
        self._guard = guard or (TokenGuard(token) if token else None)

    @property
    def has_token(self) -> bool:
        """Whether anybody can write."""
        return self._guard is not None

    def is_logged_in(self, credentials: Credentials, port: int) -> bool:
        """Whether a request has a valid cookie."""
        value = _cookie(credentials.cookies, _cookie_name(port))
        return bool(value and self._sessions and self._sessions.is_valid(value))

    def may_write_by_cookie(self, credentials: Credentials, port: int) -> bool:
        """Whether a request may change something without a token.

        A cookie counts only together with the origin of the page, which the caller has compared: a
        page of another port of the same host sends the cookie, too.
        """
        if credentials.origin is None or credentials.bearer is not None:
            return False
        return self.is_logged_in(credentials, port)

    def wait_seconds(self, credentials: Credentials) -> float:
        """Seconds that this client must wait after too many wrong tokens; 0: none."""
        return self._guard.wait_seconds(credentials.address) if self._guard else 0.0

    def knows_token(self, credentials: Credentials) -> bool:
        """Whether a request has the token itself. A wrong one is counted."""
        if not self._guard:
            return False
        return self._guard.accepts(credentials.address, credentials.bearer or "")

    def may_read(self, credentials: Credentials, port: int) -> bool:
        """Whether a request is answered; a wrong token is counted."""
        if not self.is_public or self.is_logged_in(credentials, port):
            return True
        return credentials.bearer is not None and self.knows_token(credentials)

    def may_write(self, credentials: Credentials, port: int) -> bool:
        """Whether a request may change something; a wrong token is counted."""
        return self.may_write_by_cookie(credentials, port) or self.knows_token(credentials)

    def login_cookie(self, port: int) -> str:
        """The Set-Cookie header of a browser that has sent the token."""
        value = self._sessions.new() if self._sessions else ""
        return self._set_cookie(port, value, SESSION_SECONDS)

    def logout_cookie(self, port: int) -> str:
        """The Set-Cookie header that removes the cookie."""
        return self._set_cookie(port, "", 0)

    def _set_cookie(self, port: int, value: str, seconds: int) -> str:
        secure = "; Secure" if self._is_encrypted else ""
        return (
            f"{_cookie_name(port)}={value}; Max-Age={seconds}; Path=/; HttpOnly; "
            f"SameSite=Strict{secure}"
        )


def client_address(peer: str, forwarded: str, *, has_proxy: bool) -> str:
    """The address for which wrong tokens of a request are counted.

    One household or company has a whole /64 network of IPv6, which is counted as one.

    peer: the address of the connection.
    forwarded: X-Forwarded-For, "": none. Its last address is that which the proxy has seen.
    has_proxy: whether the page is declared to be behind a proxy.
    """
    address = _parsed(peer.partition("%")[0])
    if has_proxy and address.is_loopback:
        try:
            address = _parsed(_without_port(forwarded.rpartition(",")[2].strip()))
        except ValueError:
            return str(address)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address:
    """An address; that of IPv4 where a socket of IPv6 writes one as ::ffff:192.0.2.7."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    """An address of a header, which may be 192.0.2.7:80 or [2001:db8::1]:80."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, _, port = text.partition(":")
    return host if port.isdigit() else text


def _cookie_name(port: int) -> str:
    """The name of the cookie: the ports of a host share their cookies."""
    return f"edgeae-{port}"


def _cookie(header: str, name: str) -> str | None:
    try:
        cookies = SimpleCookie(header[:4096])
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None
