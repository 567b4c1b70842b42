"""Notices another computer that publishes as one of our sources."""

import json
import time


class Rivals:
    """Reads the states on the topics of our sources: each names the client that published it."""

    def __init__(self, client_id: str, seconds: float) -> None:
        """seconds: how long a state of another client counts."""
        self._client_id = client_id
        self._seconds = seconds
        # By base topic: the client, and when its last state came (monotonic, s).
        self._seen: dict[str, tuple[str, float]] = {}

    @property
    def trouble(self) -> str | None:
        """Who else publishes as one of the sources now; None if nobody does."""
        earliest = time.monotonic() - self._seconds
        for base, (client, at) in list(self._seen.items()):
            if at > earliest:
                return (
                    f"another edgeae, the client {client}, publishes on {base}, too; give one of "
                    f"the two another prefix in --mqtt, or calibrate it as another machine"
                )
        return None

    def handle(self, base: str, payload: bytes, retained: bool) -> None:
        """Read a state on ``base``/state; a retained one may be of a computer that is no more."""
        client = None if retained else _client(payload)
        if client is not None and client != self._client_id:
            self._seen[base] = (client, time.monotonic())


def _client(payload: bytes) -> str | None:
    """The client that published a state; None for something else."""
    try:
        client = json.loads(payload)["client"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return "".join(filter(str.isprintable, client))[:100] if isinstance(client, str) else None
