"""MQTT URLs, topics and client ids."""

import uuid
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.mqtt.broker import Broker, default_client_id


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883, False, None, "edgeae")),
        ("mqtts://pi@broker/", Broker("broker", 8883, True, "pi", "edgeae")),
        (
            "mqtt://pi%40home@[::1]:1884/plant/hall-2/",
            Broker("::1", 1884, False, "pi@home", "plant/hall-2"),
        ),
    ],
)
def test_a_url_names_host_port_encryption_user_and_prefix(url: str, broker: Broker) -> None:
    assert Broker.parse(url) == broker


@pytest.mark.parametrize(
    "url", ["mqtt://pi:s3cret@broker", "mqtt://pi:s3/c#r@et@broker:1883/x", "pi:s3cret@broker"]
)
def test_a_password_in_the_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\$EDGEAE_MQTT_PASSWORD") as refusal:
        Broker.parse(url)
    assert "s3" not in str(refusal.value)
    assert "***@" in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://broker",
        "http://broker:80",
        "mqtt://",
        "mqtt://broker:x",
        "mqtt://broker/a?b",
        "mqtt://[::1",
        "mqtt://broker/a//b",
        "mqtt://broker/$SYS",
        "mqtt://broker/%23",
        "mqtt://" + "a" * 70,
        "mqtt://b/\udc80",
    ],
)
def test_another_url_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt://|topics cannot start with"):
        Broker.parse(url)


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_tcp_does_not_have_is_named(port: int) -> None:
    with pytest.raises(ConfigError, match=f"--mqtt: the port is {port}; allowed is 1 to 65535"):
        Broker.parse(f"mqtts://broker:{port}/plant")


def test_the_client_id_is_stable_and_differs_by_prefix() -> None:
    assert default_client_id("edgeae") == default_client_id("edgeae")
    assert default_client_id("edgeae") != default_client_id("hall-2")


def test_computers_with_one_host_name_have_different_client_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_machine_id(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", no_machine_id)
    client_ids = set()
    for network_address in (1, 2):
        monkeypatch.setattr(uuid, "getnode", lambda address=network_address: address)
        client_ids.add(default_client_id("edgeae"))
    assert len(client_ids) == 2
