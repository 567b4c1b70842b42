"""What is refused before any connection."""

import sys
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.mqtt.broker import Broker
from edgeae.runtime.outputs.mqtt.client import DEFAULT_LIMITS, new_client
from edgeae.runtime.outputs.mqtt.files import NO_FILES, MqttFiles

BROKER = Broker.parse("mqtt://broker.invalid")


def test_a_password_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "s3cret")
    with pytest.raises(ConfigError, match="names no user") as refusal:
        new_client(BROKER, "here", NO_FILES, DEFAULT_LIMITS)
    assert "s3cret" not in str(refusal.value)


def test_without_paho_the_message_names_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgeae\[mqtt\]'"):
        new_client(BROKER, "here", NO_FILES, DEFAULT_LIMITS)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    broker = Broker.parse("mqtts://broker.invalid")
    with pytest.raises(ConfigError, match=r"ca\.pem: no certificates in PEM form"):
        new_client(broker, "here", MqttFiles(ca=tmp_path / "ca.pem"), DEFAULT_LIMITS)
