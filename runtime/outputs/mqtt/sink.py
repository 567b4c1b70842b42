"""States and events to an MQTT broker, and Home Assistant's discovery of them (extra ``[mqtt]``).

    PREFIX/<machine>/state           retained; at most every ten seconds, at once when alarm, health or capture change
    PREFIX/<machine>/event           event lines, at least once, in order
    PREFIX/<machine>/status          status and gap lines
    PREFIX/<client>/availability     retained; online, or offline (last will)
    PREFIX/<client>/status           what the other outputs have to tell
    homeassistant/device/.../config  retained; for Home Assistant

A source without a machine is called by its own name. Without a connection events wait (`mqtt_connection`); states do
not, since the newest one follows the connection.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..latest import SOURCES, Latest, of_a_source
from ..outbox import Line, OutputError
from .broker import Broker, checked_prefix, default_client, topic_level
from .connection import Connection
from .homeassistant import device

EVERY = 10.0  # seconds between states
EVENTS = 1000  # that wait for a broker: 16 hours of one lasting alarm
FIRST = 5.0  # seconds that the first connection may take before it counts as trouble


class Mqtt:
    """The sink; the module shows its topics. Nothing waits for the broker, but the very first line for a moment."""

    name = "mqtt"

    def __init__(
        self,
        url: str,
        *,
        discovery: str | None = "homeassistant",
        every: float = EVERY,
        client_id: str | None = None,
        ca: Path | None = None,
        events: int = EVENTS,
    ) -> None:
        """discovery: Home Assistant's prefix; ca: PEM file of who signed the broker's certificate; events: as many
        wait for a broker, the oldest is lost for a new one. ConfigError for what cannot work."""
        broker = Broker.parse(url)
        if ca and not broker.tls:
            raise ConfigError(
                "--mqtt-ca is for a broker that is spoken to with TLS; write mqtts://, or leave it out"
            )
        client_id = client_id or default_client(broker.prefix)
        self._discovery, self._every, self._prefix = (
            discovery and checked_prefix(discovery),
            every,
            broker.prefix,
        )
        self._own = f"{broker.prefix}/{topic_level(client_id)}"
        self._availability = f"{self._own}/availability"
        self._sources: dict[tuple[str | None, str], _Source] = {}
        births = f"{self._discovery or self._own}/status"
        self._connection = Connection(
            broker, client_id, availability=self._availability, births=births, events=events, ca=ca
        )

    @property
    def lost(self) -> int:
        """Events that were given up, for want of room."""
        return self._connection.lost

    def wants(self, line: Line) -> bool:
        return True

    def deliver(self, line: Line) -> None:
        """OutputError while there is no connection; what the line tells is sent later nevertheless."""
        self._connection.attempted.wait(FIRST)
        self._connection.attempted.set()
        if of_a_source(line):
            self._tell(line)
        else:
            self._connection.say(f"{self._own}/status", _payload(line))
        if trouble := self._connection.trouble:
            raise OutputError(trouble)

    def close(self) -> None:
        """Goodbye, in a bounded time."""
        self._connection.close()

    def _tell(self, line: Line) -> None:
        """Publish what a line of a source changes."""
        source = self._source(line)
        source.latest.hear(line)
        self._describe(source)
        self._connection.retain(
            f"{source.base}/state", _payload(vars(source.latest)), now=source.due(self._every)
        )
        if line["type"] == "event":
            self._connection.send(f"{source.base}/event", _payload(line))
        elif line["type"] != "score":
            self._connection.say(f"{source.base}/status", _payload(line))

    def _source(self, line: Line) -> "_Source":
        """The line's source, whose topics stay the same while the process lives."""
        key = (line["machine"], line["source"])
        if key not in self._sources:
            if len(self._sources) == SOURCES:
                raise OutputError(
                    f"MQTT tells of the first {SOURCES} sources only; {line['source']} is another"
                )
            base = f"{self._prefix}/{topic_level(line['machine'] or line['source'])}"
            if base in {source.base for source in self._sources.values()}:
                base += f"-{topic_level(line['source'])}-{len(self._sources)}"
            self._sources[key] = _Source(Latest(line["source"], line["machine"]), base)
        return self._sources[key]

    def _describe(self, source: "_Source") -> None:
        """To Home Assistant, when a source is new or its artifact is."""
        if self._discovery and source.described != (source.latest.model,):
            source.described = (source.latest.model,)
            key, config = device(source.latest, source.base, self._availability, self._every)
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
