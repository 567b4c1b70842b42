"""A paho client that is ready to connect, and the limits of its connection."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ConfigError
from .broker import Broker
from .credentials import password_of, tls_context
from .files import MqttFiles

if TYPE_CHECKING:
    from paho.mqtt.client import Client


@dataclass(frozen=True)
class MqttLimits:
    """Times and sizes of a connection to a broker."""

    keep_alive_seconds: int = 30  # the broker reports a silent client as gone after 1.5 times this
    first_connection_seconds: float = 5.0  # that the first line waits for a connection
    max_reconnect_seconds: int = 120  # between two attempts
    close_seconds: float = 2.0
    stable_seconds: float = 30.0  # a connection that lasts less is short
    max_short_connections: int = 3  # in a row; more are a problem to report
    max_waiting_events: int = 1000  # 16 hours of one lasting alarm


DEFAULT_LIMITS = MqttLimits()


def new_client(broker: Broker, client_id: str, files: MqttFiles, limits: MqttLimits) -> "Client":
    """A client that connects when its loop starts; ConfigError for settings that cannot work."""
    client = _paho_client(client_id)
    password = password_of(broker, files)
    if broker.user is not None:
        client.username_pw_set(broker.user, password)
    context = tls_context(broker, files)
    if context:
        client.tls_set_context(context)
    client.max_queued_messages_set(limits.max_waiting_events)
    client.max_inflight_messages_set(0)  # no second queue, which would break the order
    client.reconnect_delay_set(1, limits.max_reconnect_seconds)
    client.connect_async(broker.host, broker.port, limits.keep_alive_seconds)
    return client


def _paho_client(client_id: str) -> "Client":
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion  # since 2.0
    except ImportError:
        raise ConfigError("--mqtt needs paho-mqtt 2 or newer: pip install 'edgeae[mqtt]'") from None
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id)


def queue_full() -> int:
    """The code of a message that paho has no room for."""
    from paho.mqtt.enums import MQTTErrorCode

    return MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
