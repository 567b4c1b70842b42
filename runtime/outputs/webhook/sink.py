"""Events, gaps and status lines to a web server: one POST each, in order, later if it is down.

    deliver --> Spool (folder or memory) --thread--> POST
        2xx                        removed
        400, 413, 414, 415, 422    dropped, and reported
        anything else              kept; sent again after 1, 2, 4 ... 300 s

A line is accepted when it is in the spool, so `deliver` does not fail. `Webhook.trouble` reports
lines that wait or were refused. A process that is killed between the answer and the removal sends
a line twice.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from ...errors import ConfigError
from ..lines import RunLine, ScoreLine
from ..outbox import CLOSE_SECONDS
from ..sink import OutputError, Sink
from .endpoint import TOKEN_VARIABLE, AnsweredError, Endpoint, RequestRefusedError
from .spool import Spool


@dataclass(frozen=True)
class WebhookLimits:
    """How often a line is tried."""

    first_pause_seconds: float = 1.0  # after the first attempt; each further pause is twice as long
    max_pause_seconds: float = 300.0
    max_answers: int = 20  # that do not take the line, until it is dropped: more than an hour
    close_seconds: float = CLOSE_SECONDS


DEFAULT_LIMITS = WebhookLimits()


class Webhook(Sink[RunLine]):
    """A sink that posts lines; those that cannot be sent wait in a spool."""

    name = "webhook"

    def __init__(
        self,
        url: str,
        *,
        spool: Path | None = None,
        limit: int = 1000,
        timeout: float = 10.0,
        limits: WebhookLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start to send what waits in the spool. The server may be down.

        spool: folder for lines that wait; None: memory.
        limit: lines that wait at most; the oldest is dropped for a new one.
        timeout: seconds for each step of a POST: to connect, to send, to read the answer.

        $EDGEAE_WEBHOOK_TOKEN is sent as a bearer token. Raises ConfigError for an address, a token
        or a folder that cannot be used.
        """
        if not timeout > 0:
            raise ConfigError(f"--webhook with a time limit of {timeout:g} s; give more than 0")
        self._endpoint = Endpoint(url, os.environ.get(TOKEN_VARIABLE, ""), timeout)
        self._spool = Spool(spool, limit)
        self._limits = limits
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
        """Lines that the server refused, did not fit into the spool, or were damaged there.

        After `close` also those that wait in memory, as behind an answer that does not come.
        """
        lost = self._refused + self._spool.lost
        return lost + self._spool.n_in_memory if self._closing else lost

    @property
    def waiting(self) -> int:
        """Lines in the spool."""
        return len(self._spool)

    def wants(self, line: RunLine) -> bool:
        return not isinstance(line, ScoreLine)

    def deliver(self, line: RunLine) -> None:
        self._spool.put(line.to_json().encode())
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, as long as each attempt succeeds; the others stay in the spool."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._limits.close_seconds)

    def _work(self) -> None:
        """Runs in the thread: post the oldest line until it is settled, then the next."""
        retry = Retry(self._limits)
        while (entry := self._next()) is not None:
            number, text = entry
            if self._settles(text, retry):
                self._spool.remove(number)
                retry = Retry(self._limits)
            elif self._closed_within(retry.next_pause()):
                break
        self._spool.close()

    def _settles(self, text: bytes, retry: "Retry") -> bool:
        """Post a line; True if the server took it, or never will."""
        try:
            self._endpoint.post(text)
        except RequestRefusedError as error:
            self._drop(str(error))
            return True
        except AnsweredError as error:
            # A line that the server never takes must not delay the later ones without end.
            retry.answers += 1
            retry.asked_seconds = error.retry_seconds
            if retry.answers >= self._limits.max_answers:
                self._drop(f"{error}, {retry.answers} times")
                return True
            self._keep(error)
            return False
        except OutputError as error:
            self._keep(error)
            return False
        self._failure = None
        return True

    def _drop(self, reason: str) -> None:
        self._failure = f"{reason}; it was dropped"
        self._refused += 1

    def _keep(self, error: OutputError) -> None:
        effect = "the oldest lines are dropped" if self._spool.full else "lines wait"
        self._failure = f"{error}; {effect}"

    def _next(self) -> tuple[int, bytes] | None:
        """(number, line) of the oldest line, as soon as there is one; None at the end."""
        while True:
            if entry := self._spool.oldest():
                return entry
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self.waiting)
                if self._closing and not self.waiting:
                    return None

    def _closed_within(self, seconds: float) -> bool:
        """Wait so long; True at once if the sink is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, seconds)


class Retry:
    """The attempts of one line."""

    def __init__(self, limits: WebhookLimits) -> None:
        self._limits = limits
        self._pause = limits.first_pause_seconds
        self.answers = 0  # that did not take the line
        self.asked_seconds = 0.0  # to wait, by the last answer

    def next_pause(self) -> float:
        """Seconds until the next attempt."""
        pause = max(self._pause, self.asked_seconds)
        self.asked_seconds = 0.0
        self._pause = min(2 * pause, self._limits.max_pause_seconds)
        return pause
