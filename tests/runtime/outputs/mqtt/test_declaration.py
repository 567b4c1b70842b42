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


@pytest.mark.parametrize("option", ["--mqtt-ca", "--mqtt-cert", "--mqtt-key"])
def test_certificates_of_a_connection_without_tls_are_refused(option: str, tmp_path: Path) -> None:
    arguments = ("--mqtt", "mqtt://127.0.0.1:9", option, str(tmp_path / "x.pem"))
    with (
        pytest.raises(ConfigError, match=f"{option} is for a connection with TLS; write mqtts://"),
        opened_output(OUTPUT, *arguments),
    ):
        pass


@pytest.mark.parametrize(
    "option", ["--mqtt-ca", "--mqtt-cert", "--mqtt-key", "--mqtt-password-file"]
)
def test_files_without_a_broker_are_refused(option: str) -> None:
    with (
        pytest.raises(ConfigError, match=f"{option} needs a broker; give --mqtt, too"),
        opened_output(OUTPUT, option, "file"),
    ):
        pass


def test_the_files_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD_FILE", str(tmp_path / "none"))
    with (
        pytest.raises(ConfigError, match=r"--mqtt-password-file .*none: cannot be read"),
        opened_output(OUTPUT, "--mqtt", "mqtt://pi@127.0.0.1:9"),
    ):
        pass
