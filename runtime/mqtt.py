"""States and events to an MQTT broker, and Home Assistant's discovery of them (extra ``[mqtt]``).

    PREFIX/<machine>/state           retained; at most every ten seconds, at once when alarm, health or capture change
    PREFIX/<machine>/event           event lines, at least once, in order
    PREFIX/<machine>/status          status and gap lines
    PREFIX/<client>/availability     retained; online, or offline (last will)
    PREFIX/<client>/status           what the other outputs have to tell
    homeassistant/device/.../config  retained; for Home Assistant

A source without a machine is called by its own name. paho's thread connects, and reconnects for ever; here stands
what has to be said then. Whatever is retained is sent again after each connection, since a broker may forget.
Without a connection events wait; states do not, since the newest one follows the connection:

    connect -> CONNACK -> paho repeats the events that were not acknowledged -> SUBACK -> retained, waiting events

So the acknowledgement of a subscription, and not of the connection, is what lets new events pass: in order.
"""

import json
import os
import ssl
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

from .broker import PASSWORD, Broker, checked_prefix, default_client, slug
from .errors import ConfigError
from .homeassistant import device
from .latest import SOURCES, Latest, of_a_source
from .outbox import Line, OutputError

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

EVERY = 10.0  # seconds between states
EVENTS = 1000  # that wait for a broker: 16 hours of one lasting alarm
KEEPALIVE = 30  # seconds; after one and a half of them a broker tells that this process is gone
FIRST = 5.0  # seconds that the first connection may take before it counts as trouble
CLOSING = 2.0  # seconds for goodbye
STABLE, SHORT = 30.0, 3  # a connection shorter than so many seconds, so often in a row, is trouble


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
        self._discovery, self._every = discovery and checked_prefix(discovery), every
        self._prefix, self._where = broker.prefix, f"the MQTT broker {broker.host}:{broker.port}"
        self._id = client_id or default_client(broker.prefix)
        self._own = f"{broker.prefix}/{slug(self._id)}"
        self._lock = RLock()  # between paho's thread and that of the outbox
        self._sources: dict[tuple[str | None, str], _Source] = {}
        self._retained: dict[str, bytes] = {}  # topic: payload
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=events)
        self.lost = 0  # events, for want of room
        self._trouble: str | None = f"{self._where} does not answer"
        self._attempted = Event()
        self._since, self._short = 0.0, 0  # of the connection, monotonic; connections in a row that were short
        self._client = self._made(broker, ca, events)
        self._client.loop_start()  # last: its thread needs all of the above

    def wants(self, line: Line) -> bool:
        return True

    def deliver(self, line: Line) -> None:
        """OutputError while there is no connection; what the line tells is sent later nevertheless."""
        self._attempted.wait(FIRST)
        self._attempted.set()
        with self._lock:
            if of_a_source(line):
                self._tell(line)
            else:
                self._say(f"{self._own}/status", line)
            trouble = self._trouble or self._unstable()
        if trouble:
            raise OutputError(trouble)

    def close(self) -> None:
        """Goodbye, in a bounded time."""
        self._say_offline()
        with self._lock:
            self._client.disconnect()
        # paho's thread may be looking up the broker's name, which has no time limit.
        stopping = Thread(target=self._client.loop_stop, name="mqtt stops", daemon=True)
        stopping.start()
        stopping.join(CLOSING)

    def _say_offline(self) -> None:
        """Until all is acknowledged: a socket closed before that takes what the broker has not read yet with it."""
        with self._lock:
            if self._trouble is not None:
                return
            last = self._client.publish(f"{self._own}/availability", "offline", qos=1, retain=True)
        if last.rc == 0:
            last.wait_for_publish(CLOSING)

    def _tell(self, line: Line) -> None:
        """Publish what a line of a source changes."""
        source = self._source(line)
        source.latest.hear(line)
        self._describe(source)
        self._retained[f"{source.base}/state"] = _payload(vars(source.latest))
        if source.due(self._every):
            self._publish(f"{source.base}/state")
        if line["type"] == "event":
            self._send(f"{source.base}/event", _payload(line))
        elif line["type"] != "score":
            self._say(f"{source.base}/status", line)

    def _source(self, line: Line) -> "_Source":
        """The line's source, whose topics stay the same while the process lives."""
        key = (line["machine"], line["source"])
        if key not in self._sources:
            if len(self._sources) == SOURCES:
                raise OutputError(f"MQTT tells of the first {SOURCES} sources only; {line['source']} is another")
            base = f"{self._prefix}/{slug(line['machine'] or line['source'])}"
            if base in {source.base for source in self._sources.values()}:
                base += f"-{slug(line['source'])}-{len(self._sources)}"
            self._sources[key] = _Source(Latest(line["source"], line["machine"]), base)
        return self._sources[key]

    def _describe(self, source: "_Source") -> None:
        """To Home Assistant, when a source is new or something of it is."""
        if self._discovery:
            key, config = device(source.latest, source.base, f"{self._own}/availability", self._every)
            topic, payload = f"{self._discovery}/device/{key}/config", _payload(config)
            if self._retained.get(topic) != payload:
                self._retained[topic] = payload
                self._publish(topic)

    # paho must not be asked for anything between two connections: it prepares the next one without a lock.

    def _say(self, topic: str, line: Line) -> None:
        """A line, now or never."""
        if self._trouble is None:
            self._client.publish(topic, _payload(line))

    def _publish(self, topic: str) -> None:
        """A retained topic, now or by `_renew`."""
        if self._trouble is None:
            self._client.publish(topic, self._retained[topic], retain=True)

    def _send(self, topic: str, payload: bytes) -> None:
        """An event, now or when there is a connection."""
        if self._trouble is None:
            self.lost += self._client.publish(topic, payload, qos=1).rc == _queue_full()
            return
        self.lost += len(self._waiting) == self._waiting.maxlen
        self._waiting.append((topic, payload))

    def _unstable(self) -> str | None:
        if self._short < SHORT or time.monotonic() - self._since > STABLE:
            return None
        return f"{self._where} ends each connection soon; does another process use the client id {self._id}, too?"

    # The rest runs in paho's thread, which an exception would end: nothing below raises.

    def _on_connect(self, client: "Client", data: Any, flags: Any, reason: "ReasonCode", properties: Any) -> None:
        if reason.is_failure:
            advice = f"check the user in the URL and ${PASSWORD}" if "uthor" in str(reason) else "its log tells why"
            self._fail(f"{self._where} refuses the connection ({reason}); {advice}")
        else:
            client.subscribe(f"{self._discovery or self._own}/status")

    def _on_subscribe(self, *arguments: Any) -> None:
        with self._lock:
            self._trouble, self._since = None, time.monotonic()
            self._client.publish(f"{self._own}/availability", "online", retain=True)
            self._renew()
            while self._waiting:
                self._send(*self._waiting.popleft())
        self._attempted.set()

    def _on_message(self, client: "Client", data: Any, message: "MQTTMessage") -> None:
        """Home Assistant has started. A retained message is from before this connection."""
        if message.payload == b"online" and not message.retain:
            with self._lock:
                self._renew()

    def _renew(self) -> None:
        for topic in self._retained:
            self._publish(topic)

    def _on_connect_fail(self, client: "Client", data: Any) -> None:
        error = sys.exception()  # paho calls this while it handles why
        cause = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error
        self._fail(f"{self._where} cannot be reached ({cause}); it is tried again at least every two minutes")

    def _on_disconnect(self, client: "Client", data: Any, flags: Any, reason: "ReasonCode", properties: Any) -> None:
        if self._trouble is None:
            self._short = self._short + 1 if time.monotonic() - self._since < STABLE else 0
            self._fail(self._unstable() or f"the connection to {self._where} was lost ({reason})")

    def _fail(self, trouble: str) -> None:
        with self._lock:
            self._trouble = trouble
        self._attempted.set()

    def _made(self, broker: Broker, ca: Path | None, events: int) -> "Client":
        """A client that will connect when it can."""
        client = _client(self._id)
        if PASSWORD in os.environ and broker.user is None:
            raise ConfigError(f"${PASSWORD} is set, but --mqtt names no user; write mqtt://user@{broker.host}")
        if broker.user is not None:
            client.username_pw_set(broker.user, os.environ.get(PASSWORD))
        if broker.tls:
            _trust(client, ca)
        client.will_set(f"{self._own}/availability", "offline", qos=1, retain=True)
        client.max_queued_messages_set(events)
        client.max_inflight_messages_set(0)  # no second queue, which would break the order
        client.reconnect_delay_set(1, 120)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_connect_fail, client.on_disconnect = self._on_connect_fail, self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(broker.host, broker.port, KEEPALIVE)
        return client


@dataclass
class _Source:
    latest: Latest
    base: str  # of its topics
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


def _client(client_id: str) -> "Client":
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion  # since 2.0
    except ImportError:
        raise ConfigError("--mqtt needs paho-mqtt 2 or newer: pip install 'edgeae[mqtt]'") from None
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id)


def _queue_full() -> int:
    from paho.mqtt.enums import MQTTErrorCode

    return MQTTErrorCode.MQTT_ERR_QUEUE_SIZE


def _trust(client: "Client", ca: Path | None) -> None:
    try:
        client.tls_set_context(ssl.create_default_context(cafile=ca))
    except OSError as error:
        raise ConfigError(f"{ca}: no certificates in PEM form ({error.strerror or error})") from None
