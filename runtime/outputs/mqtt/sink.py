"""States and events to an MQTT broker, and Home Assistant's discovery of them (extra ``[mqtt]``).

    PREFIX/<machine>/state           retained; every ten seconds at most, and at once when alarm,
                                     health or capture change
    PREFIX/<machine>/event           event lines, at least once, in order
    PREFIX/<machine>/status          status and gap lines
    PREFIX/<machine>/command         subscribed to: `normal` calls the sound normal
    PREFIX/<client>/availability     retained; online, or offline (last will)
    PREFIX/<client>/status           status lines about the other outputs
    homeassistant/device/.../config  retained; for Home Assistant

A source without a machine has a topic of its own name. Without a connection events wait
(`edgeae.runtime.outputs.mqtt.connection`). States do not wait, because the newest one is published
after the next connection.
"""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from ...errors import ConfigError
from ..feedback import FeedbackQueue, NormalMessage
from ..latest import MAX_SOURCES, Latest, is_about_source
from ..lines import EventLine, RunLine, ScoreLine
from ..sink import OutputError, Sink
from .broker import Broker, checked_prefix, default_client_id, topic_level
from .client import DEFAULT_LIMITS, MqttLimits
from .connection import Connection
from .homeassistant import NORMAL, discovery_message

DEFAULT_STATE_SECONDS = 10.0  # between two states
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
        ca_file: Path | None = None,
        feedback: FeedbackQueue | None = None,
        limits: MqttLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start to connect; ConfigError for settings that cannot work.

        discovery: Home Assistant's prefix; None: no discovery messages.
        every: seconds between two states of a source.
        ca_file: PEM file of the authority that signed the broker's certificate.
        feedback: receives the commands; None: they are not subscribed to.
        """
        broker = Broker.parse(url)
        if ca_file and not broker.tls:
            raise ConfigError(
                "--mqtt-ca is for a connection with TLS; write mqtts://, or leave --mqtt-ca out"
            )
        client_id = client_id or default_client_id(broker.prefix)
        self._discovery = checked_prefix(discovery) if discovery else None
        self._every = every
        self._prefix = broker.prefix
        self._client_topic = f"{broker.prefix}/{topic_level(client_id)}"
        self._availability_topic = f"{self._client_topic}/availability"
        self._sources: dict[tuple[str | None, str], _Source] = {}
        self._limits = limits
        self._feedback = feedback
        self._reported_command = False  # that is not known
        self._connection = Connection(
            broker,
            client_id,
            availability_topic=self._availability_topic,
            birth_topic=f"{self._discovery or self._client_topic}/status",
            ca_file=ca_file,
            limits=limits,
        )

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
            self._publish(line)
        else:
            self._connection.publish(f"{self._client_topic}/status", line.to_json().encode())
        if trouble := self._connection.trouble:
            raise OutputError(trouble)

    def close(self) -> None:
        """Publish the end and disconnect, in a limited time."""
        self._connection.close()

    def _publish(self, line: RunLine) -> None:
        """Publish a line of a source, and the state that it changes."""
        source = self._source(line)
        source.latest.update(line)
        self._describe(source)
        self._connection.retain(
            f"{source.base}/state", _payload(vars(source.latest)), now=source.is_due(self._every)
        )
        if isinstance(line, EventLine):
            self._connection.publish_event(f"{source.base}/event", line.to_json().encode())
        elif not isinstance(line, ScoreLine):
            self._connection.publish(f"{source.base}/status", line.to_json().encode())

    def _source(self, line: RunLine) -> "_Source":
        """The line's source, whose topics stay the same while the process lives."""
        key = (line.machine, line.source)
        if key not in self._sources:
            if len(self._sources) == MAX_SOURCES:
                raise OutputError(
                    f"--mqtt publishes the first {MAX_SOURCES} sources only, "
                    f"and {line.source} is another; listen to fewer sources in one process"
                )
            base = f"{self._prefix}/{topic_level(line.machine or line.source)}"
            if base in {source.base for source in self._sources.values()}:
                base += f"-{topic_level(line.source)}-{len(self._sources)}"
            self._sources[key] = _Source(Latest(line.source, line.machine), base)
            if self._feedback:
                handle = partial(self._handle_command, self._feedback, line.source)
                self._connection.subscribe(f"{base}/command", handle)
        return self._sources[key]

    def _handle_command(self, feedback: FeedbackQueue, source: str, payload: bytes) -> None:
        """Pass on what a person says about a source. Runs in the thread of the connection."""
        if payload.strip() == NORMAL.encode():
            feedback.put(NormalMessage(source, "mqtt"))
        elif not self._reported_command:
            self._reported_command = True
            click.echo(
                f"edgeae: --mqtt-commands: {payload[:MAX_SHOWN_BYTES]!a} is no command about "
                f"{source}; the one command is {NORMAL}",
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
            has_commands=self._feedback is not None,
        )
        self._connection.retain(f"{self._discovery}/device/{device_id}/config", _payload(config))


@dataclass
class _Source:
    """A source and what was published about it."""

    latest: Latest
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
        urgent = (latest.alarm, latest.health, latest.state, latest.last_event_time)
        if urgent == self.published and now - self.published_at < every:
            return False
        self.published = urgent
        self.published_at = now
        return True


def _payload(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()
