"""Who may read the page, and who may say something on it.

                  at 127.0.0.1 or ::1     at any other address, or behind a proxy (--page-url)
    read          everybody               who knows the token
    write         who knows the token     who knows the token

A program sends the token with each request (`Authorization: Bearer`). A browser sends it once, and
receives a cookie: the time until which it is valid, and an HMAC of it with the token as the key. So
nothing about logins is stored, a restart ends none, and another token ends all.
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

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

        is_public: whether other computers reach the page, also through a proxy.
        is_encrypted: whether browsers open it over TLS, here or at a proxy.
        guard: counts wrong tokens.
        """
        self.is_public = is_public
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
        """Whether a request may change something; a wrong token is counted.

        A cookie counts only together with the origin of the page, which the caller has compared: a
        page of another port of the same host sends the cookie, too.
        """
        has_cookie = credentials.origin is not None and self.is_logged_in(credentials, port)
        if has_cookie and credentials.bearer is None:
            return True
        return self.knows_token(credentials)

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


def _cookie_name(port: int) -> str:
    """The name of the cookie: the ports of a host share their cookies."""
    return f"edgeae-{port}"


def _cookie(header: str, name: str) -> str | None:
    try:
        cookies = SimpleCookie(header[:4096])
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None
