"""One POST to a web server, and what its answer means."""

import base64
import re
import time
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...errors import ConfigError
from ...tcp_port import check_port
from ..sink import OutputError

TOKEN_VARIABLE = "EDGEAE_WEBHOOK_TOKEN"
# Statuses that are about the line itself. The cause of any other can pass or be removed.
REFUSING_STATUSES = {400, 413, 414, 415, 422}
MAX_REASON_CHARACTERS = 100
MAX_RETRY_SECONDS = 3600.0  # that a server may ask to wait


class AnsweredError(OutputError):
    """The server answers, but does not take the line now."""

    retry_seconds: float = 0.0  # that the server asks to wait (Retry-After)


class RequestRefusedError(OutputError):
    """The server will never take the line."""


class Endpoint:
    """The address that lines are posted to.

    Messages name its scheme and host alone, because every other part of an address may be secret.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        """ConfigError for an address or a token that cannot be used.

        token: sent as a bearer token, unless it is empty.
        timeout: seconds for each step of a POST: to connect, to send, to read the answer.
        """
        self.name, self._url = parse_url(url)
        self._timeout = timeout
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgeae",
            **authorization(url, token),
        }
        self._opener = build_opener(NoRedirect)

    def post(self, text: bytes) -> None:
        """Send a line; RequestRefusedError if it will never be taken, OutputError if not now."""
        request = Request(self._url, text, self._headers, method="POST")
        try:
            self._opener.open(request, timeout=self._timeout).close()
        except HTTPError as error:
            raise self._answer_error(error) from error
        except (OSError, HTTPException) as error:
            raise OutputError(f"{self.name}: {_short_reason(error)}") from error
        # For a host or a proxy without a valid name urllib raises others; their text may hold a
        # password.
        except Exception as error:
            raise OutputError(
                f"{self.name}: the request cannot be sent; check the host name and the proxies"
            ) from error

    def _answer_error(self, error: HTTPError) -> OutputError:
        with error:  # closes the connection
            message = f"{self.name} answers {error.code} {_short_reason(error.reason)}"
        if 300 <= error.code < 400:
            message += ", a redirect; give the address that it leads to"
        if error.code in REFUSING_STATUSES:
            return RequestRefusedError(message)
        answered = AnsweredError(message)
        answered.retry_seconds = retry_seconds(error.headers)
        return answered


class NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: neither line nor token goes to an address that the user did not give."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def parse_url(url: str) -> tuple[str, str]:
    """(scheme and host for messages, the address without user and password).

    ConfigError for an address that has neither, or of another scheme than http and https.
    """
    check_port(url, "--webhook")
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            "--webhook: the address cannot be read; give one such as https://example.org/alarms"
        )
    if parts.scheme not in {"http", "https"}:
        raise ConfigError(
            f"--webhook: {parts.scheme} is not known; give an address with http:// or https://"
        )
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}", parts._replace(netloc=host, fragment="").geturl()


def authorization(url: str, token: str) -> dict[str, str]:
    """The Authorization header for the user of an address, or for a token; none without either.

    ConfigError for both, or for a token with characters that a header cannot hold.
    """
    user = urlsplit(url).netloc.rpartition("@")[0]
    token = token.strip()
    if not token and not user:
        return {}
    if token and user:
        raise ConfigError(
            f"--webhook: the address has a user and ${TOKEN_VARIABLE} is set; give one of them"
        )
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"--webhook: ${TOKEN_VARIABLE} holds characters that no header may hold; set it again"
        )
    if token:
        return {"Authorization": f"Bearer {token}"}
    credentials = base64.b64encode(unquote(user).encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


def retry_seconds(headers: Message) -> float:
    """Seconds that a server asks to wait, at most MAX_RETRY_SECONDS; 0 if it does not.

    Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3). A date is compared with
    the server's own clock if it states it: ours may not be set yet.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), MAX_RETRY_SECONDS)
    until = _http_date(text)
    if until is None:
        return 0.0
    server_time = _http_date(headers.get("Date", ""))
    start = time.time() if server_time is None else server_time
    return min(max(0.0, until - start), MAX_RETRY_SECONDS)


def _http_date(text: str) -> float | None:
    """Seconds since 1970 of a date in a header; None if it is none. Without a zone it is UTC."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _short_reason(reason: object) -> str:
    """What failed, in a few printable characters: a part of it may come from the server."""
    if isinstance(reason, URLError):
        reason = reason.reason
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return "".join(filter(str.isprintable, text))[:MAX_REASON_CHARACTERS]
