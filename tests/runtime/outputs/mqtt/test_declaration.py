"""`--mqtt` and its options."""

from pathlib import Path

import pytest
from opened_output import opened_output, sink_names

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.mqtt.declaration import OUTPUT

pytest.importorskip("paho.mqtt")


def test_without_a_broker_nothing_opens() -> None:
    with opened_output(OUTPUT, "--mqtt-every", "5") as opened:
        assert opened is None


@pytest.mark.parametrize("discovery", ["none", "homeassistant"])
def test_a_broker_that_is_away_is_no_error(discovery: str) -> None:
    arguments = ("--mqtt", "mqtt://127.0.0.1:9", "--mqtt-discovery", discovery)
    with opened_output(OUTPUT, *arguments) as opened:
        assert sink_names(opened) == ["mqtt"]


@pytest.mark.parametrize("prefix", ["home/#", "+"])
def test_a_discovery_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    arguments = ("--mqtt", "mqtt://127.0.0.1:9", "--mqtt-discovery", prefix)
    with pytest.raises(ConfigError), opened_output(OUTPUT, *arguments):
        pass


def test_commands_without_a_broker_are_refused() -> None:
    with pytest.raises(ConfigError, match="give --mqtt"), opened_output(OUTPUT, "--mqtt-commands"):
        pass


def test_a_certificate_of_a_connection_without_tls_is_refused(tmp_path: Path) -> None:
    arguments = ("--mqtt", "mqtt://127.0.0.1:9", "--mqtt-ca", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="--mqtt-ca"), opened_output(OUTPUT, *arguments):
        pass
