"""Remembers at the broker which topics a client retains, and deletes those that it has no more.

A source that is no longer listened to would otherwise stay at the broker, and look alive.
"""

import json
from collections.abc import Callable, Sequence

from .connection import Handler

MAX_TOPICS = 1000


class RetainedTopics:
    """The retained topics of all sources of a client, themselves a retained message."""

    def __init__(self, topic: str, topics: Sequence[str], prefixes: Sequence[str]) -> None:
        """topic: where the list is.

        topics: the present ones.
        prefixes: of topics that may be deleted.
        """
        self.topic = topic
        self._topics = set(topics)
        self._prefixes = prefixes

    def payload(self) -> bytes:
        """The present list."""
        return json.dumps(sorted(self._topics)).encode()

    def handlers(self, clear: Callable[[str], None]) -> dict[str, Handler]:
        """What reads the list of an earlier process; clear: deletes the message of a topic."""

        def handle(payload: bytes, retained: bool) -> None:
            if retained:
                for topic in self.stale(payload):
                    clear(topic)

        return {self.topic: handle}

    def stale(self, payload: bytes) -> list[str]:
        """The topics of an earlier list that are used no more; none of something else."""
        try:
            earlier = json.loads(payload)
        except (ValueError, RecursionError):
            return []
        if not isinstance(earlier, list):
            return []
        return [
            topic
            for topic in earlier[:MAX_TOPICS]
            if isinstance(topic, str) and topic not in self._topics and self._is_own(topic)
        ]

    def _is_own(self, topic: str) -> bool:
        """Whether the topic has a form that edgeae uses: nobody else's messages are deleted."""
        has_form = topic.endswith(("/state", "/config")) and not set(topic) & set("+#")
        return has_form and any(topic.startswith(f"{prefix}/") for prefix in self._prefixes)
