"""States and events to an MQTT broker, and Home Assistant's discovery of them (extra ``[mqtt]``).

    PREFIX/<machine>/state           retained; at most every ten seconds, at once when alarm, health or capture change
    PREFIX/<machine>/event           event lines, at least once, in order
    PREFIX/<machine>/status          status and gap lines
    PREFIX/<client>/availability     retained; online, or offline (last will)
    PREFIX/<client>/status           what the other outputs have to tell
    homeassistant/device/.../config  retained; for Home Assistant

A source without a machine is called by its own name. Without a connection events wait (`edgeae.runtime.outputs.mqtt.connection`); states do
not, since the newest one follows the connection.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..latest import SOURCES, Latest, of_a_source
from ..lines import EventLine, RunLine, ScoreLine
from ..sink import OutputError, Sink
from .broker import Broker, checked_prefix, default_client_id, topic_level
from .client import DEFAULT_LIMITS, MqttLimits
from .connection import Connection
from .homeassistant import device

EVERY = 10.0  # seconds between states


class Mqtt(Sink[RunLine]):
    """The sink; the module shows its topics. Nothing waits for the broker, but the very first line for a moment."""

    name = "mqtt"

    def __init__(
        self,
        url: str,
        *,
        discovery: str | None = "homeassistant",
        every: float = EVERY,
        client_id: str | None = None,
        ca_file: Path | None = None,
        limits: MqttLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start to connect; ConfigError for settings that cannot work.

        discovery: Home Assistant's prefix; None: no discovery messages.
        every: seconds between two states of a source.
        ca_file: PEM file of the authority that signed the broker's certificate.
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
        """Events that were given up, for want of room."""
        return self._connection.lost

    def wants(self, line: RunLine) -> bool:
        return True

    def deliver(self, line: RunLine) -> None:
        """OutputError while there is no connection; what the line tells is sent later nevertheless."""
        self._connection.attempted.wait(self._limits.first_connection_seconds)
        self._connection.attempted.set()
        if of_a_source(line):
            self._tell(line)
        else:
            self._connection.publish(f"{self._client_topic}/status", line.to_json().encode())
        if trouble := self._connection.trouble:
            raise OutputError(trouble)

    def close(self) -> None:
        """Goodbye, in a bounded time."""
        self._connection.close()

    def _tell(self, line: RunLine) -> None:
        """Publish what a line of a source changes."""
        source = self._source(line)
        source.latest.hear(line)
        self._describe(source)
        self._connection.retain(
            f"{source.base}/state", _payload(vars(source.latest)), now=source.due(self._every)
        )
        if isinstance(line, EventLine):
            self._connection.publish_event(f"{source.base}/event", line.to_json().encode())
        elif not isinstance(line, ScoreLine):
            self._connection.publish(f"{source.base}/status", line.to_json().encode())

    def _source(self, line: RunLine) -> "_Source":
        """The line's source, whose topics stay the same while the process lives."""
        key = (line.machine, line.source)
        if key not in self._sources:
            if len(self._sources) == SOURCES:
                raise OutputError(
                    f"MQTT tells of the first {SOURCES} sources only; {line.source} is another"
                )
            base = f"{self._prefix}/{topic_level(line.machine or line.source)}"
            if base in {source.base for source in self._sources.values()}:
                base += f"-{topic_level(line.source)}-{len(self._sources)}"
            self._sources[key] = _Source(Latest(line.source, line.machine), base)
        return self._sources[key]

    def _describe(self, source: "_Source") -> None:
        """To Home Assistant, when a source is new or its artifact is."""
        if self._discovery and source.described != (source.latest.model,):
            source.described = (source.latest.model,)
            key, config = device(source.latest, source.base, self._availability_topic, self._every)
            self._connection.retain(f"{self._discovery}/device/{key}/config", _payload(config))


@dataclass
class _Source:
    latest: Latest
    base: str  # of its topics
    described: tuple[object, ...] = ()
    told: tuple[object, ...] = ()
    told_at: float = 0.0  # monotonic, s

    def due(self, every: float) -> bool:
        """Whether the state is to be published now."""
        latest, now = self.latest, time.monotonic()
        telling = (latest.alarm, latest.health, latest.state, latest.last_event_time)
        if telling == self.told and now - self.told_at < every:
            return False
        self.told, self.told_at = telling, now
        return True


def _payload(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()
