"""A connection to an MQTT broker that restores itself, and then everything the broker must know.

paho's thread connects, and reconnects without end. Each connection publishes the retained messages
again, because a broker may have lost them, and subscribes again. Events wait while there is no
connection:

    connect -> CONNACK -> paho repeats unacknowledged events -> SUBACK -> retained, waiting events

New events pass after the acknowledgement of a subscription, not after that of the connection, so
that all events arrive in order.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

import click

from .broker import PASSWORD_VARIABLE, Broker
from .client import DEFAULT_LIMITS, MqttLimits, new_client, queue_full
from .files import NO_FILES, MqttFiles

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode


# Of a message on a topic: its payload, and whether it is older than the subscription (retained).
# It runs in paho's thread and raises nothing.
Handler = Callable[[bytes, bool], None]


class Stability:
    """Counts connections in a row that ended soon after they began."""

    def __init__(self, limits: MqttLimits) -> None:
        self._limits = limits
        self._connected_at = 0.0  # monotonic, s
        self._short_connections = 0

    def connected(self) -> None:
        """A connection begins."""
        self._connected_at = time.monotonic()

    def disconnected(self) -> None:
        """The connection ended."""
        self._short_connections = 0 if self._has_lasted() else self._short_connections + 1

    def is_unstable(self) -> bool:
        """True if the last connections were short and the current one is not yet long."""
        too_many = self._short_connections >= self._limits.max_short_connections
        return too_many and not self._has_lasted()

    def _has_lasted(self) -> bool:
        return time.monotonic() - self._connected_at >= self._limits.stable_seconds


class Connection:
    """Publishes messages at a broker, now or after the next connection."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        availability_topic: str,
        birth_topic: str,
        files: MqttFiles = NO_FILES,
        handlers: Mapping[str, Handler] | None = None,
        limits: MqttLimits = DEFAULT_LIMITS,
    ) -> None:
        """Nothing is sent before `start`; ConfigError for settings that cannot work.

        availability_topic: retained "online", and "offline" as the last will.
        birth_topic: "online" on it announces a subscriber that needs the retained messages.
        files: certificates, and the password.
        handlers: of topics that are subscribed to before anything is published.
        """
        self._name = f"the MQTT broker {broker.host}:{broker.port}"
        self._client_id = client_id
        self._has_answered = False  # the broker, to the present connection
        self._advice = _connection_advice(broker, files)
        self._password_origin = (
            "--mqtt-password-file" if files.password else f"${PASSWORD_VARIABLE}"
        )
        self._availability_topic = availability_topic
        self._birth_topic = birth_topic
        self._limits = limits
        self._lock = RLock()  # between paho's thread and that of the outbox
        self._retained: dict[str, bytes] = {}  # topic: payload
        self._cleared: set[str] = set()  # topics
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=limits.max_waiting_events)
        self._handlers: dict[str, Handler] = dict(handlers or {})  # by topic
        self._requests: dict[int, list[str]] = {}  # topics by the number of a subscription
        self._stability = Stability(limits)
        self._trouble: str | None = f"{self._name} does not answer"
        self.lost = 0  # events that did not fit into a queue
        self.attempted = Event()  # the first connection succeeded or failed
        self._client = new_client(broker, client_id, files, limits)
        self._client.will_set(availability_topic, "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Start to connect, in a thread that calls the handlers: what they use has to exist."""
        self._client.loop_start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent now, or not reliably; None if the connection works."""
        with self._lock:
            return self._trouble or self._instability()

    # While there is no connection, no method of paho may be called: it prepares the next one
    # without a lock.

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at most once; without a connection the message is dropped."""
        with self._lock:
            if self._trouble is None:
                self._client.publish(topic, payload)

    def retain(self, topic: str, payload: bytes, *, now: bool = True) -> None:
        """Set the retained message of a topic.

        It is sent now, if there is a connection, and after each later one; without ``now`` only
        after each later one.
        """
        with self._lock:
            self._retained[topic] = payload
            if now and self._trouble is None:
                self._client.publish(topic, payload, retain=True)

    def publish_event(self, topic: str, payload: bytes) -> None:
        """Publish at least once, in order: now, or when there is a connection."""
        with self._lock:
            if self._trouble is None:
                queued = self._client.publish(topic, payload, qos=1)
                if queued.rc == queue_full():
                    self.lost += 1
                return
            if len(self._waiting) == self._waiting.maxlen:
                self.lost += 1
            self._waiting.append((topic, payload))

    def clear(self, topic: str) -> None:
        """Delete the retained message of a topic that is used no more."""
        with self._lock:
            self._retained.pop(topic, None)
            self._cleared.add(topic)
            if self._trouble is None:
                self._client.publish(topic, b"", retain=True)

    def subscribe(self, topic: str, handle: Handler) -> None:
        """Pass the messages on a topic to ``handle``, from now on and after each connection."""
        with self._lock:
            self._handlers[topic] = handle
            if self._trouble is None:
                self._subscribe([topic])

    def close(self) -> None:
        """Publish "offline" and disconnect, within a limited time."""
        self._publish_offline()
        with self._lock:
            self._client.disconnect()
        # paho's thread may be in a look-up of the broker's name, which has no time limit.
        stopping = Thread(target=self._client.loop_stop, name="mqtt stops", daemon=True)
        stopping.start()
        stopping.join(self._limits.close_seconds)

    def _publish_offline(self) -> None:
        """Publish the end, and wait until the broker acknowledged all messages.

        A socket that is closed before would lose what the broker has not read yet.
        """
        with self._lock:
            if self._trouble is not None:
                return
            message = self._client.publish(self._availability_topic, "offline", qos=1, retain=True)
        if message.rc == 0:
            message.wait_for_publish(self._limits.close_seconds)

    def _instability(self) -> str | None:
        if not self._stability.is_unstable():
            return None
        return (
            f"{self._name} ends each connection soon; "
            f"does another process use the client id {self._client_id}, too?"
        )

    # The callbacks run in paho's thread. An exception would end that thread, so they raise none.

    def _on_connect(
        self,
        client: "Client",
        userdata: object,
        flags: "ConnectFlags",
        reason: "ReasonCode",
        properties: "Properties | None",
    ) -> None:
        self._has_answered = True
        if not reason.is_failure:
            with self._lock:
                self._requests = {}
                self._subscribe([self._birth_topic, *self._handlers])
            return
        advice = "look into its log for the cause"
        if "uthor" in str(reason):
            advice = f"check the user in the URL and {self._password_origin}"
        self._fail(f"{self._name} refuses the connection ({reason}); {advice}")

    def _subscribe(self, topics: list[str]) -> None:
        """Send one subscription; the caller holds the lock."""
        _, number = self._client.subscribe([(topic, 1) for topic in topics])
        if number is not None:
            self._requests[number] = topics

    def _on_subscribe(
        self,
        client: "Client",
        userdata: object,
        number: int,
        reasons: "list[ReasonCode]",
        properties: "Properties | None",
    ) -> None:
        with self._lock:
            topics = self._requests.pop(number, [])
            self._report_refused(topics, reasons)
            if self._birth_topic in topics:
                self._start_publishing(topics)

    def _report_refused(self, topics: list[str], reasons: "list[ReasonCode]") -> None:
        for topic, reason in zip(topics, reasons, strict=False):
            if reason.is_failure and topic in self._handlers:
                click.echo(
                    f"edgeae: {self._name} refuses the subscription to {topic} ({reason}); "
                    f"allow it there, or commands on it are not received",
                    err=True,
                )

    def _start_publishing(self, subscribed: list[str]) -> None:
        """The broker acknowledged the subscription to these topics: send all it must know."""
        with self._lock:
            self._trouble = None
            later = [topic for topic in self._handlers if topic not in subscribed]
            if later:
                self._subscribe(later)
            self._stability.connected()
            self._client.publish(self._availability_topic, "online", retain=True)
            for topic in self._cleared - self._retained.keys():
                self._client.publish(topic, b"", retain=True)
            self._publish_retained()
            while self._waiting:
                topic, payload = self._waiting.popleft()
                self.publish_event(topic, payload)
        self.attempted.set()

    def _on_message(self, client: "Client", userdata: object, message: "MQTTMessage") -> None:
        """Answer a birth message; a retained one is older than this connection."""
        is_birth = message.topic == self._birth_topic and message.payload == b"online"
        with self._lock:
            handle = self._handlers.get(message.topic)
            if is_birth and not message.retain:
                self._publish_retained()
        if handle:
            handle(bytes(message.payload), message.retain)

    def _publish_retained(self) -> None:
        for topic, payload in self._retained.items():
            self._client.publish(topic, payload, retain=True)

    def _on_connect_fail(self, client: "Client", userdata: object) -> None:
        error = sys.exception()  # paho calls this while it handles the exception
        cause = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or error
        self._fail(
            f"{self._name} cannot be reached ({cause}); "
            f"edgeae tries again at least every {self._limits.max_reconnect_seconds} s"
        )

    def _on_disconnect(
        self,
        client: "Client",
        userdata: object,
        flags: "DisconnectFlags",
        reason: "ReasonCode",
        properties: "Properties | None",
    ) -> None:
        if self._trouble is None:
            self._stability.disconnected()
            lost = f"the connection to {self._name} was lost ({reason}); edgeae connects again"
            self._fail(self._instability() or lost)
        elif not self._has_answered:
            self._fail(f"{self._name} ends the connection before it answers; {self._advice}")
        self._has_answered = False

    def _fail(self, trouble: str) -> None:
        with self._lock:
            self._trouble = trouble
        self.attempted.set()


def _connection_advice(broker: Broker, files: MqttFiles) -> str:
    """What may be wrong if a broker ends a connection without an answer.

    In TLS 1.3 a client learns only so that its certificate is refused.
    """
    if files.certificate:
        return "it may refuse the certificate of --mqtt-cert, so look into its log"
    if broker.tls:
        return "it may ask for a certificate, which --mqtt-cert gives"
    return "it may ask for TLS (mqtts://), or not be an MQTT broker"
