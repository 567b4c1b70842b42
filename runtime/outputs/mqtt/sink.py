"""States and events to an MQTT broker, and Home Assistant's discovery of them (extra ``[mqtt]``).

    PREFIX/<machine>/state           retained; every ten seconds at most, and at once when alarm,
                                     health or capture change
    PREFIX/<machine>/event           event lines, at least once, in order
    PREFIX/<machine>/status          status and gap lines
    PREFIX/<machine>/command         subscribed to: `normal` calls the sound normal; `pause` and
                                     `resume` stop and start the scoring
    PREFIX/<client>/availability     retained; online, or offline (last will)
    PREFIX/<client>/status           status lines about the other outputs
    PREFIX/<client>/retained         retained; the retained topics of this client's sources
    homeassistant/device/.../config  retained; for Home Assistant

A source without a machine has a topic of its own name, and one of several sources of a machine a
topic of both names (`edgeae.runtime.system.identity`). Retained topics of sources that this client
has no more are deleted. Without a connection events wait
(`edgeae.runtime.outputs.mqtt.connection`). States do not wait, because the newest one is published
after the next connection. While a source is not listening no lines come, and its state is
published again nevertheless, so that it does not expire.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event, RLock, Thread
from typing import Any

import click

from ...system.identity import SourceIdentity, SourceNames, topic_level
from ..feedback import FeedbackQueue, Message, NormalMessage, PauseMessage
from ..latest import MAX_SOURCES, Latest, is_about_source
from ..lines import EventLine, RunLine, ScoreLine
from ..sink import OutputError, Sink
from .broker import Broker, checked_prefix, default_client_id
from .client import DEFAULT_LIMITS, MqttLimits
from .connection import Connection
from .files import NO_FILES, MqttFiles
from .homeassistant import (
    COMMANDS,
    DEFAULT_DISCOVERY,
    NORMAL,
    PAUSE,
    device_id_of,
    discovery_message,
    expire_seconds,
)
from .retained_topics import RetainedTopics
from .rivals import Rivals

DEFAULT_STATE_SECONDS = 10.0  # between two states
MIN_REPEAT_SECONDS = 1.0  # between two equal states
MAX_SHOWN_BYTES = 40  # of an unknown command


class Mqtt(Sink[RunLine]):
    """The sink. Only the first line waits for the broker, for a limited time."""

    name = "mqtt"

    def __init__(
        self,
        url: str,
        *,
        discovery: str | None = "homeassistant",
        every: float = DEFAULT_STATE_SECONDS,
        client_id: str | None = None,
        files: MqttFiles = NO_FILES,
        feedback: FeedbackQueue | None = None,
        sources: Sequence[SourceIdentity] = (),
        page_url: str | None = None,
        limits: MqttLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start to connect; ConfigError for settings that cannot work.

        discovery: Home Assistant's prefix; None: no discovery messages.
        every: seconds between two states of a source.
        files: certificates, and the password.
        feedback: receives the commands of people; None: they are not subscribed to.
        sources: all that there will be; none: they are not known.
        page_url: of the live page, for a link in Home Assistant.
        """
        broker = Broker.parse(url)
        client_id = client_id or default_client_id(broker.prefix)
        self._discovery = checked_prefix(discovery) if discovery else None
        self._every = every
        self._page_url = page_url
        self._prefix = broker.prefix
        self._client_topic = f"{broker.prefix}/{topic_level(client_id)}"
        self._availability_topic = f"{self._client_topic}/availability"
        self._names = SourceNames(sources)
        self._sources: dict[SourceIdentity, _Source] = {}
        self._lock = RLock()  # of the sources, between the outbox and the thread of `_repeat`
        self._closing = Event()
        self._rivals = Rivals(client_id, expire_seconds(every))
        self._client_id = client_id
        self._retained_topics = RetainedTopics(
            f"{self._client_topic}/retained",
            [topic for one in self._names.identities for topic in self._topics(one)],
            # Also without discovery: an earlier process may have had it.
            prefixes=[broker.prefix, self._discovery or DEFAULT_DISCOVERY],
        )
        self._limits = limits
        self._feedback = feedback
        self._reported_command = False  # that is not known
        self._connection = Connection(
            broker,
            client_id,
            availability_topic=self._availability_topic,
            birth_topic=f"{self._discovery or self._client_topic}/status",
            files=files,
            handlers=self._retained_topics.handlers(self._clear) if sources else {},
            limits=limits,
        )
        self._connection.start()
        if sources:
            payload = self._retained_topics.payload()
            self._connection.retain(self._retained_topics.topic, payload)
        Thread(target=self._repeat, name="mqtt repeats", daemon=True).start()

    @property
    def trouble(self) -> str | None:
        """That another client publishes as one of the sources."""
        return self._rivals.trouble

    @property
    def lost(self) -> int:
        """Events that were dropped because too many waited."""
        return self._connection.lost

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """Publish a line; OutputError while there is no connection.

        An event or a state is published later nevertheless.
        """
        self._connection.attempted.wait(self._limits.first_connection_seconds)
        self._connection.attempted.set()
        if is_about_source(line):
            with self._lock:
                self._publish(line)
        else:
            self._connection.publish(f"{self._client_topic}/status", line.to_json().encode())
        if trouble := self._connection.trouble:
            raise OutputError(trouble)

    def close(self) -> None:
        """Publish the end and disconnect, in a limited time."""
        self._closing.set()
        self._connection.close()

    def _topics(self, identity: SourceIdentity) -> list[str]:
        """The retained topics of a source."""
        base = f"{self._prefix}/{self._names.topic(identity)}"
        topics = [f"{base}/state"]
        if self._discovery:
            topics.append(f"{self._discovery}/device/{device_id_of(base)}/config")
        return topics

    def _clear(self, topic: str) -> None:
        """Delete what an earlier process of this client retained. In the connection's thread."""
        self._connection.clear(topic)

    def _repeat(self) -> None:
        """Publish the states of sources that are not listening again and again, in a thread."""
        pause_seconds = max(self._every, MIN_REPEAT_SECONDS)
        while not self._closing.wait(pause_seconds):
            with self._lock:
                for source in self._sources.values():
                    if source.latest.state and not source.latest.is_scored:
                        self._retain_state(source, now=True)

    def _publish(self, line: RunLine) -> None:
        """Publish a line of a source, and the state that it changes."""
        source = self._source(line)
        source.latest.update(line)
        self._describe(source)
        self._retain_state(source, now=source.is_due(self._every))
        if isinstance(line, EventLine):
            self._connection.publish_event(f"{source.base}/event", line.to_json().encode())
        elif not isinstance(line, ScoreLine):
            self._connection.publish(f"{source.base}/status", line.to_json().encode())

    def _retain_state(self, source: "_Source", *, now: bool) -> None:
        payload = _payload({**vars(source.latest), "client": self._client_id})
        self._connection.retain(f"{source.base}/state", payload, now=now)

    def _source(self, line: RunLine) -> "_Source":
        """The line's source, whose topics stay the same while the process lives."""
        identity = SourceIdentity(line.source, line.machine)
        if identity not in self._sources:
            if len(self._sources) == MAX_SOURCES:
                raise OutputError(
                    f"--mqtt publishes the first {MAX_SOURCES} sources only, "
                    f"and {line.source} is another; listen to fewer sources in one process"
                )
            self._add_source(identity)
        return self._sources[identity]

    def _add_source(self, identity: SourceIdentity) -> None:
        self._names.add(identity)
        base = f"{self._prefix}/{self._names.topic(identity)}"
        latest = Latest(identity.source, identity.machine)
        self._sources[identity] = _Source(latest, self._names.title(identity), base)
        if self._feedback:
            handle = partial(self._handle_command, self._feedback, identity.source)
            self._connection.subscribe(f"{base}/command", handle)
        self._connection.subscribe(f"{base}/state", partial(self._rivals.handle, base))

    def _handle_command(
        self, feedback: FeedbackQueue, source: str, payload: bytes, retained: bool
    ) -> None:
        """Pass on what a person says about a source. Runs in the thread of the connection."""
        if retained:
            return
        message = _message(payload, source)
        if message is not None:
            feedback.put(message)
        elif not self._reported_command:
            self._reported_command = True
            click.echo(
                f"edgeae: --mqtt-commands: {payload[:MAX_SHOWN_BYTES]!a} is no command about "
                f"{source}; the commands are {', '.join(COMMANDS)}",
                err=True,
            )

    def _describe(self, source: "_Source") -> None:
        """Publish the discovery message of a source that is new or has a new artifact."""
        if not self._discovery or source.is_described():
            return
        source.described_model = source.latest.model
        source.has_description = True
        device_id, config = discovery_message(
            source.latest,
            source.base,
            self._availability_topic,
            self._every,
            name=source.name,
            has_commands=self._feedback is not None,
            page_url=self._page_url,
        )
        self._connection.retain(f"{self._discovery}/device/{device_id}/config", _payload(config))


@dataclass
class _Source:
    """A source and what was published about it."""

    latest: Latest
    name: str  # for people
    base: str  # of its topics
    has_description: bool = False
    described_model: str | None = None
    published: tuple[object, ...] = ()  # the values whose changes are published at once
    published_at: float = 0.0  # monotonic, s

    def is_described(self) -> bool:
        """True if the discovery message is published and holds the current artifact."""
        return self.has_description and self.described_model == self.latest.model

    def is_due(self, every: float) -> bool:
        """True if the state must be published now, which the caller then does."""
        latest = self.latest
        now = time.monotonic()
        urgent = (
            latest.alarm,
            latest.health,
            latest.state,
            latest.paused,
            latest.last_event_time,
        )
        if urgent == self.published and now - self.published_at < every:
            return False
        self.published = urgent
        self.published_at = now
        return True


def _message(payload: bytes, source: str) -> Message | None:
    """What a command says about a source; None for something else."""
    command = payload.strip().decode(errors="replace")
    if command not in COMMANDS:
        return None
    if command == NORMAL:
        return NormalMessage(source, "mqtt")
    return PauseMessage(source, "mqtt", is_paused=command == PAUSE)


def _payload(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()
