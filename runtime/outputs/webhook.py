"""Events, gaps and status lines to a web server, one POST each, in order, and later if it is down.

    deliver --> Spool (folder or memory) --thread--> POST --2xx--> removed
                                                      |---400, 413, 414, 415, 422--> dropped, and said
                                                      `---else-> kept; tried again after 1, 2, 4 ... 300 s

A line is accepted when it is in the spool, so `deliver` does not fail; that lines wait or were refused is told by
`Webhook.trouble`. A process that is killed between the answer and the removal sends a line twice.
"""

import base64
import json
import os
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from threading import Condition, Thread
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..errors import ConfigError
from .outbox import CLOSING, Line, OutputError
from .spool import Spool

FIRST, LONGEST = 1.0, 300.0  # seconds between two attempts
MOST_ANSWERS = 20  # without taking a line: more than an hour
NEVER = {
    400,
    413,
    414,
    415,
    422,
}  # answers that are about the line; all others can pass or be mended
TOKEN = "EDGEAE_WEBHOOK_TOKEN"  # the variable with the secret


class Webhook:
    """POST lines to ``url``; those that cannot be sent wait in the folder ``spool``, at most ``limit``.

    ``timeout`` in seconds is for each step of a POST (connect, send, answer). $EDGEAE_WEBHOOK_TOKEN is sent as
    a bearer token. Raises ConfigError for an address or a folder that cannot be used; the server may be down.
    """

    name = "webhook"

    def __init__(
        self, url: str, *, spool: Path | None = None, limit: int = 1000, timeout: float = 10.0
    ) -> None:
        if not timeout > 0:
            raise ConfigError(f"--webhook with a time limit of {timeout:g} s; give more than 0")
        self._endpoint = Endpoint(url, os.environ.get(TOKEN, ""), timeout)
        self._spool = Spool(spool, limit)
        self._changed = Condition()
        self._closing = False
        self._refused = 0
        self._failure: str | None = None
        self._thread = Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why lines wait, or why one was dropped; None if all is well."""
        return self._failure or self._spool.trouble

    @property
    def lost(self) -> int:
        """Lines that the server refused, that were too many for the spool, or that were damaged there."""
        return self._refused + self._spool.lost

    @property
    def waiting(self) -> int:
        """Lines in the spool."""
        return len(self._spool)

    def wants(self, line: Line) -> bool:
        return bool(line["type"] != "score")

    def deliver(self, line: Line) -> None:
        self._spool.put(json.dumps(line).encode())
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, as far as that goes at once; the rest stays in the folder."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSING)

    # The rest runs in the thread.

    def _work(self) -> None:
        pause, answers = FIRST, 0
        while entry := self._next():
            number, text = entry
            try:
                self._post(text, answers)
            except RequestRefusedError as error:
                self._failure = f"{error}; it was dropped"
                self._refused += 1
            except OutputError as error:
                self._failure = f"{error}; {'the oldest lines are dropped' if self._spool.full else 'lines wait'}"
                if self._closed_within(pause):
                    break
                pause, answers = min(2 * pause, LONGEST), answers + isinstance(error, AnsweredError)
                continue
            else:
                self._failure = None
            self._spool.remove(number)
            pause, answers = FIRST, 0
        self._spool.close()

    def _post(self, text: bytes, answers: int) -> None:
        """A line that a server answered so often without taking it would hold all later ones up for ever."""
        try:
            self._endpoint.post(text)
        except AnsweredError as error:
            if answers + 1 >= MOST_ANSWERS:
                raise RequestRefusedError(f"{error}, {MOST_ANSWERS} times") from error
            raise

    def _next(self) -> tuple[int, bytes] | None:
        """The oldest line, as soon as there is one; None at the end."""
        while True:
            if entry := self._spool.oldest():
                return entry
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self.waiting)
                if self._closing and not self.waiting:
                    return None

    def _closed_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)


class AnsweredError(OutputError):
    """A server that is there and does not take a line now."""


class RequestRefusedError(OutputError):
    """A line that the server will never take."""


class Endpoint:
    """Where lines are posted. Messages name scheme and host alone: all else in an address may be secret."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self.name, self._url, self._timeout = *address(url), timeout
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgeae",
            **authorization(url, token),
        }
        self._opener = build_opener(NoRedirect)

    def post(self, text: bytes) -> None:
        """RequestRefusedError if that is for ever, OutputError if it is for now."""
        request = Request(self._url, text, self._headers, method="POST")
        try:
            self._opener.open(request, timeout=self._timeout).close()
        except HTTPError as error:
            with error:
                answer = f"{self.name} answers {error.code} {_short(error.reason)}"
            if 300 <= error.code < 400:
                answer += " to another address, give that one"
            raise (RequestRefusedError if error.code in NEVER else AnsweredError)(answer) from error
        except (OSError, HTTPException) as error:
            raise OutputError(f"{self.name}: {_short(error)}") from error
        except Exception as error:  # a host or a proxy that is none; its words may hold a password
            raise OutputError(
                f"{self.name}: cannot be asked, look at its name and at the proxies"
            ) from error


class NoRedirect(HTTPRedirectHandler):
    """Neither line nor token goes where the user did not send it."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def address(url: str) -> tuple[str, str]:
    """Scheme and host, for messages, and the address without user and password. ConfigError without either."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.hostname
            and parts.port != 0
            and url.isascii()
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        usable = False
    if not usable:
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
    """The header that says who sends; ConfigError for two ways or a token that no header can hold."""
    user, given, _ = urlsplit(url).netloc.rpartition("@")
    if not (token := token.strip()) and not given:
        return {}
    if token and given:
        raise ConfigError(
            f"--webhook: the address has a user and ${TOKEN} is set; give one of them"
        )
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"--webhook: ${TOKEN} holds characters that no header may; set it anew")
    if token:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"}


def _short(reason: object) -> str:
    """What failed, in a few words; a part of it may come from the server."""
    if isinstance(reason, URLError):
        reason = reason.reason
    words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return "".join(filter(str.isprintable, words))[:100]
