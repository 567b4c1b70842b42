"""The token that a viewer of the page must know to say something, and wrong attempts at it."""

import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ...errors import ConfigError
from ...system.secret_file import read_secret

TOKEN_VARIABLE = "EDGEAE_PAGE_TOKEN"
MIN_TOKEN_CHARACTERS = 16
ADVICE = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe())"'


def read_token(file: Path | None) -> str | None:
    """The token in the first line of a file, else in $EDGEAE_PAGE_TOKEN; None without either.

    ConfigError for a file that cannot be read, or a token that is easy to guess.
    """
    if file is None:
        text = os.environ.get(TOKEN_VARIABLE)
        name = f"${TOKEN_VARIABLE}"
    else:
        text = read_secret("--page-token-file", file)
        name = f"--page-token-file {file}"
    if text is None:
        return None
    token = text.strip()
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{name}: a token has {MIN_TOKEN_CHARACTERS} letters and digits or more; {ADVICE}"
        )
    return token


@dataclass(frozen=True)
class AttemptLimits:
    """How often a token may be wrong."""

    max_wrong: int = 5  # of one address in the period
    period_seconds: float = 60.0
    max_addresses: int = 256  # that are remembered; beyond it, all of the others count as one


DEFAULT_LIMITS = AttemptLimits()


class TokenGuard:
    """Compares tokens, and counts the wrong ones of each address."""

    def __init__(
        self,
        token: str,
        limits: AttemptLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token.encode()
        self._limits = limits
        self._clock = clock
        self._wrong_times: dict[str, list[float]] = {}  # by address; seconds of the clock
        self._lock = Lock()

    def wait_seconds(self, address: str) -> float:
        """Seconds until an address may try again; 0 if it may now."""
        with self._lock:
            times = self._recent(self._key(address))
            if len(times) < self._limits.max_wrong:
                return 0.0
            return times[0] + self._limits.period_seconds - self._clock()

    def accepts(self, address: str, token: str) -> bool:
        """Whether the token is the right one. The time that it takes says nothing about it."""
        is_right = hmac.compare_digest(token.encode(errors="replace"), self._token)
        if not is_right:
            with self._lock:
                key = self._key(address)
                self._wrong_times[key] = [*self._recent(key), self._clock()]
        return is_right

    def _key(self, address: str) -> str:
        """The address itself, or one for all that are too many."""
        for other in list(self._wrong_times):
            if not self._recent(other):
                del self._wrong_times[other]
        has_room = len(self._wrong_times) < self._limits.max_addresses
        return address if has_room or address in self._wrong_times else ""

    def _recent(self, key: str) -> list[float]:
        start = self._clock() - self._limits.period_seconds
        return [at for at in self._wrong_times.get(key, []) if at > start]
