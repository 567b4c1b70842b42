"""A connection on its own: what it publishes, in which order, and when it reports trouble."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from mosquitto import Message, Mosquitto, Subscriber
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from waiting import wait_for

from edgeae.runtime.outputs.mqtt.broker import Broker
from edgeae.runtime.outputs.mqtt.client import DEFAULT_LIMITS, MqttLimits
from edgeae.runtime.outputs.mqtt.connection import Connection, Stability

AVAILABILITY = "edgeae/here/availability"
BIRTH = "homeassistant/status"

Connect = Callable[..., Connection]
Subscribe = Callable[..., Subscriber]


@pytest.fixture
def connect(mosquitto: Mosquitto) -> Iterator[Connect]:
    connections: list[Connection] = []

    def make(limits: MqttLimits = DEFAULT_LIMITS) -> Connection:
        connection = Connection(
            Broker.parse(mosquitto.url),
            "here",
            availability_topic=AVAILABILITY,
            birth_topic=BIRTH,
            limits=limits,
        )
        connection.start()
        connections.append(connection)
        return connection

    yield make
    for connection in connections:
        connection.close()


def test_events_before_the_connection_are_published_in_order_after_it(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    connection = connect()
    wait_for(connection.attempted.is_set)
    for number in range(20):
        connection.publish_event("event", str(number).encode())
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: len(subscriber.payloads("event")) == 20)
    assert subscriber.payloads("event") == [str(number).encode() for number in range(20)]
    assert connection.lost == 0


def test_the_oldest_waiting_event_is_lost_and_counted(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    connection = connect(replace(DEFAULT_LIMITS, max_waiting_events=2))
    wait_for(connection.attempted.is_set)
    for payload in (b"first", b"second", b"third"):
        connection.publish_event("event", payload)
    assert connection.lost == 1
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: len(subscriber.payloads("event")) == 2)
    assert subscriber.payloads("event") == [b"second", b"third"]


def test_a_retained_message_is_published_again_to_a_broker_that_lost_it(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    connection = connect()
    wait_for(lambda: connection.trouble is None)
    connection.retain("state", b"1")
    mosquitto.kill()
    wait_for(lambda: connection.trouble is not None)
    mosquitto.start()
    early = subscribe()
    wait_for(lambda: early.payloads("state") == [b"1"])
    late = subscribe()
    wait_for(lambda: Message("state", b"1", retained=True) in late.messages)
    wait_for(lambda: Message(AVAILABILITY, b"online", retained=True) in late.messages)


def test_a_message_that_is_not_an_event_is_dropped_without_a_connection(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    connection = connect()
    wait_for(connection.attempted.is_set)
    connection.publish("status", b"old")
    connection.publish_event("event", b"kept")
    mosquitto.start()
    subscriber = subscribe()
    wait_for(lambda: subscriber.payloads("event"))
    assert subscriber.payloads("status") == []


def test_only_a_new_birth_message_repeats_the_retained_messages(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    subscriber.client.publish(BIRTH, "online", retain=True)
    connection = connect()
    connection.retain("state", b"1")
    wait_for(lambda: connection.trouble is None)
    connection.publish_event("event", b"after the retained birth message")
    wait_for(lambda: subscriber.payloads("event"))
    published = len(subscriber.payloads("state"))
    subscriber.client.publish(BIRTH, "online")
    wait_for(lambda: len(subscriber.payloads("state")) == published + 1)


def test_a_birth_message_that_the_broker_kept_is_not_answered(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    connection = connect()
    wait_for(lambda: connection.trouble is None)
    connection.retain("state", b"1")
    birth = MQTTMessage(topic=BIRTH.encode())
    birth.payload = b"online"

    def states_after_birth(*, retained: bool, event: bytes) -> int:
        birth.retain = retained
        connection._on_message(connection._client, None, birth)
        connection.publish_event("event", event)
        wait_for(lambda: event in subscriber.payloads("event"))
        return len(subscriber.payloads("state"))

    assert states_after_birth(retained=True, event=b"first") == 1
    assert states_after_birth(retained=False, event=b"second") == 2


def test_messages_on_a_topic_are_passed_on_also_after_a_restart_of_the_broker(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    connection = connect()
    payloads: list[bytes] = []

    def keep(payload: bytes, retained: bool) -> None:
        payloads.append(payload)

    connection.subscribe("early", keep)
    wait_for(lambda: connection.trouble is None)
    connection.subscribe("late", keep)

    def say_both() -> None:
        n_before = len(payloads)
        wait_for(lambda: not connection._requests)
        person = subscribe()
        person.client.publish("late", "1")
        person.client.publish("early", "2")
        wait_for(lambda: len(payloads) == n_before + 2)

    say_both()
    mosquitto.kill()
    wait_for(lambda: connection.trouble is not None)
    mosquitto.start()
    wait_for(lambda: connection.trouble is None)
    say_both()
    assert sorted(payloads) == [b"1", b"1", b"2", b"2"]


def test_a_message_that_the_broker_kept_is_passed_on_as_such(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    person = subscribe()
    person.client.publish("command", "old", retain=True)
    wait_for(lambda: person.payloads("command"))
    connection = connect()
    messages: list[tuple[bytes, bool]] = []
    connection.subscribe("command", lambda payload, retained: messages.append((payload, retained)))
    wait_for(lambda: messages)
    person.client.publish("command", "new")
    wait_for(lambda: len(messages) == 2)
    assert messages == [(b"old", True), (b"new", False)]


@pytest.mark.parametrize("connected", [True, False])
def test_a_retained_message_that_is_cleared_is_gone(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe, connected: bool
) -> None:
    mosquitto.start()
    early = subscribe()
    early.client.publish("old/state", "1", retain=True)
    wait_for(lambda: early.payloads("old/state"))
    connection = connect()
    if connected:
        wait_for(lambda: connection.trouble is None)
    connection.clear("old/state")
    wait_for(lambda: early.payloads("old/state")[-1] == b"")
    late = subscribe()
    wait_for(lambda: late.payloads(AVAILABILITY))
    assert late.payloads("old/state") == []


def test_a_refused_subscription_is_reported(
    mosquitto: Mosquitto, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    mosquitto.start()
    connection = connect()
    wait_for(lambda: connection.trouble is None)
    connection.subscribe("command", lambda payload, retained: None)
    connection._requests[999] = ["command"]
    refused = [ReasonCode(PacketTypes.SUBACK, identifier=0x80)]
    connection._on_subscribe(connection._client, None, 999, refused, None)
    assert "refuses the subscription to command (" in capsys.readouterr().err


def test_events_alone_are_sent_until_they_are_acknowledged(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    subscriber = subscribe()
    qualities: dict[str, int] = {}  # of service, by topic
    subscriber.client.on_message = lambda client, userdata, message: qualities.update(
        {message.topic: message.qos}
    )
    connection = connect()
    wait_for(lambda: connection.trouble is None)
    connection.retain("state", b"1")
    connection.publish("status", b"2")
    connection.publish_event("event", b"3")
    wait_for(lambda: {"state", "status", "event"} <= qualities.keys())
    assert (qualities["state"], qualities["status"], qualities["event"]) == (0, 0, 1)


def test_the_broker_keeps_that_a_connection_was_closed(
    mosquitto: Mosquitto, connect: Connect, subscribe: Subscribe
) -> None:
    mosquitto.start()
    connection = connect()
    wait_for(lambda: connection.trouble is None)
    connection.close()
    late = subscribe()
    wait_for(lambda: late.messages)
    assert late.messages == [Message(AVAILABILITY, b"offline", retained=True)]


LIMITS = MqttLimits(stable_seconds=30.0, max_short_connections=3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """``clock(seconds)`` moves the monotonic clock on."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def test_three_short_connections_in_a_row_are_unstable(clock: Callable[[float], None]) -> None:
    stability = Stability(LIMITS)
    for _ in range(3):
        assert not stability.is_unstable()
        stability.connected()
        clock(1.0)
        stability.disconnected()
    assert stability.is_unstable()
    stability.connected()
    assert stability.is_unstable(), "the new connection is not yet long"
    clock(30.0)
    assert not stability.is_unstable()


def test_a_long_connection_starts_the_count_anew(clock: Callable[[float], None]) -> None:
    stability = Stability(LIMITS)
    for seconds in (1.0, 1.0, 31.0, 1.0, 1.0):
        stability.connected()
        clock(seconds)
        stability.disconnected()
    stability.connected()
    assert not stability.is_unstable()
