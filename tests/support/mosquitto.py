"""A real MQTT broker that a test starts and kills, and a client that records its messages."""

import getpass
import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from waiting import wait_for

MOSQUITTO = Path("/usr/sbin/mosquitto")


class Mosquitto:
    """mosquitto at ``port``, which is the same when the broker starts again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._configuration = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.configure("allow_anonymous true")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def configure(self, *lines: str) -> None:
        """Set the lines of the configuration beside those for port and user."""
        # An unlimited number in flight keeps the order also between QoS 0 and 1.
        common = (
            f"user {getpass.getuser()}",
            "max_inflight_messages 0",
            f"listener {self.port} 127.0.0.1",
        )
        self._configuration.write_text("\n".join([*common, *lines, ""]))

    def start(self) -> None:
        command = [str(MOSQUITTO), "-c", str(self._configuration)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(self._accepts)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    retained: bool  # sent because the broker kept it


class Subscriber:
    """A client that is subscribed to everything when it is made, and records each message."""

    def __init__(
        self, broker: Mosquitto, user: str | None = None, password: str | None = None
    ) -> None:
        self.messages: list[Message] = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(user, password)
        subscribed: list[bool] = []
        self.client.on_message = lambda client, userdata, message: self.messages.append(
            Message(message.topic, bytes(message.payload), message.retain)
        )
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *arguments: subscribed.append(True)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        wait_for(lambda: subscribed)

    def _subscribe(self, *arguments: object) -> None:
        self.client.subscribe("#", qos=1)

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.messages if message.topic == topic]

    def json(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.payloads(topic)]

    def last(self, topic: str) -> dict[str, Any]:
        """The newest payload of a topic, or {}."""
        payloads = self.payloads(topic)
        newest: dict[str, Any] = json.loads(payloads[-1]) if payloads else {}
        return newest

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
