"""A broker and its subscribers, which end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mosquitto import MOSQUITTO, Mosquitto, Subscriber
from ports import reserved_port


@pytest.fixture
def mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mosquitto]:
    """A broker with a port of its own; the test starts it."""
    if not MOSQUITTO.exists():
        pytest.fail("these tests need mosquitto: run scripts/install-system-packages --tests")
    monkeypatch.delenv("EDGEAE_MQTT_PASSWORD", raising=False)
    with reserved_port() as port:
        broker = Mosquitto(tmp_path, port)
        yield broker
        broker.kill()


@pytest.fixture
def subscribe(mosquitto: Mosquitto) -> Iterator[Callable[..., Subscriber]]:
    """``subscribe(user=None, password=None)``: a subscriber of the broker, to everything."""
    subscribers: list[Subscriber] = []

    def make(*credentials: str) -> Subscriber:
        subscriber = Subscriber(mosquitto, *credentials)
        subscribers.append(subscriber)
        return subscriber

    yield make
    for subscriber in subscribers:
        subscriber.close()
