"""A connection to an MQTT broker that comes back by itself, and what has to be said when it does.

paho's thread connects, and reconnects for ever. Whatever is retained is sent again after each connection, since a
broker may forget. Without a connection events wait:

    connect -> CONNACK -> paho repeats the events that were not acknowledged -> SUBACK -> retained, waiting events

So the acknowledgement of a subscription, and not of the connection, is what lets new events pass: in order.
"""

import os
import ssl
import sys
import time
from collections import deque
from pathlib import Path
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .broker import PASSWORD, Broker

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE = 30  # seconds; after one and a half of them a broker tells that this process is gone
CLOSING = 2.0  # seconds for goodbye
STABLE, SHORT = 30.0, 3  # a connection shorter than so many seconds, so often in a row, is trouble


class Connection:
    """``availability`` is a topic that says online or offline; ``online`` on the topic ``births`` is a subscriber
    that starts, and is told what is retained. ConfigError for what cannot work."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        availability: str,
        births: str,
        events: int,
        ca: Path | None,
    ) -> None:
        """events: as many wait, the oldest is lost for a new one; ca: PEM file of who signed the certificate."""
        self._where = f"the MQTT broker {broker.host}:{broker.port}"
        self._id, self._availability, self._births = client_id, availability, births
        self._lock = RLock()  # between paho's thread and that of the outbox
        self._retained: dict[str, bytes] = {}  # topic: payload
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=events)
        self.lost = 0  # events, for want of room
        self._trouble: str | None = f"{self._where} does not answer"
        self.attempted = Event()  # the first connection came about, or did not
        self._since, self._short = (
            0.0,
            0,
        )  # of the connection, monotonic; connections in a row that were short
        self._client = self._made(broker, ca, events)
        self._client.loop_start()  # last: its thread needs all of the above

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent now, or only now and then; None if all is well."""
        with self._lock:
            return self._trouble or self._unstable()

    # paho must not be asked for anything between two connections: it prepares the next one without a lock.

    def say(self, topic: str, payload: bytes) -> None:
        """Now or never."""
        with self._lock:
            if self._trouble is None:
                self._client.publish(topic, payload)

    def retain(self, topic: str, payload: bytes, *, now: bool = True) -> None:
        """What a topic says from now on; without ``now`` only after the next connection."""
        with self._lock:
            self._retained[topic] = payload
            if now and self._trouble is None:
                self._client.publish(topic, payload, retain=True)

    def send(self, topic: str, payload: bytes) -> None:
        """An event: now, or when there is a connection."""
        with self._lock:
            if self._trouble is None:
                self.lost += self._client.publish(topic, payload, qos=1).rc == _queue_full()
                return
            self.lost += len(self._waiting) == self._waiting.maxlen
            self._waiting.append((topic, payload))

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
            last = self._client.publish(self._availability, "offline", qos=1, retain=True)
        if last.rc == 0:
            last.wait_for_publish(CLOSING)

    def _unstable(self) -> str | None:
        if self._short < SHORT or time.monotonic() - self._since > STABLE:
            return None
        return f"{self._where} ends each connection soon; does another process use the client id {self._id}, too?"

    # These run in paho's thread, which an exception would end: nothing in them raises.

    def _on_connect(
        self, client: "Client", data: Any, flags: Any, reason: "ReasonCode", properties: Any
    ) -> None:
        if reason.is_failure:
            advice = (
                f"check the user in the URL and ${PASSWORD}"
                if "uthor" in str(reason)
                else "its log tells why"
            )
            self._fail(f"{self._where} refuses the connection ({reason}); {advice}")
        else:
            client.subscribe(self._births)

    def _on_subscribe(self, *arguments: Any) -> None:
        with self._lock:
            self._trouble, self._since = None, time.monotonic()
            self._client.publish(self._availability, "online", retain=True)
            self._renew()
            while self._waiting:
                self.send(*self._waiting.popleft())
        self.attempted.set()

    def _on_message(self, client: "Client", data: Any, message: "MQTTMessage") -> None:
        """A retained message is from before this connection."""
        if message.payload == b"online" and not message.retain:
            with self._lock:
                self._renew()

    def _renew(self) -> None:
        for topic, payload in self._retained.items():
            self._client.publish(topic, payload, retain=True)

    def _on_connect_fail(self, client: "Client", data: Any) -> None:
        error = sys.exception()  # paho calls this while it handles why
        cause = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error
        self._fail(
            f"{self._where} cannot be reached ({cause}); it is tried again at least every two minutes"
        )

    def _on_disconnect(
        self, client: "Client", data: Any, flags: Any, reason: "ReasonCode", properties: Any
    ) -> None:
        if self._trouble is None:
            self._short = self._short + 1 if time.monotonic() - self._since < STABLE else 0
            self._fail(self._unstable() or f"the connection to {self._where} was lost ({reason})")

    def _fail(self, trouble: str) -> None:
        with self._lock:
            self._trouble = trouble
        self.attempted.set()

    def _made(self, broker: Broker, ca: Path | None, events: int) -> "Client":
        """A client that will connect when it can."""
        client = _client(self._id)
        if PASSWORD in os.environ and broker.user is None:
            raise ConfigError(
                f"${PASSWORD} is set, but --mqtt names no user; write mqtt://user@{broker.host}"
            )
        if broker.user is not None:
            client.username_pw_set(broker.user, os.environ.get(PASSWORD))
        if broker.tls:
            _trust(client, ca)
        client.will_set(self._availability, "offline", qos=1, retain=True)
        client.max_queued_messages_set(events)
        client.max_inflight_messages_set(0)  # no second queue, which would break the order
        client.reconnect_delay_set(1, 120)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_connect_fail, client.on_disconnect = self._on_connect_fail, self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(broker.host, broker.port, KEEPALIVE)
        return client


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
        raise ConfigError(
            f"{ca}: no certificates in PEM form ({error.strerror or error})"
        ) from None
