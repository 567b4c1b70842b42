"""Declares `--mqtt`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

import click

from ...errors import ConfigError
from ..declaration import FILE, OpenOutput, OutputContext, OutputDeclaration, run_option

OPTIONS = (
    run_option(
        "--mqtt",
        metavar="URL",
        value_kind="url",
        keeps_lines=True,
        help="Publish states and events to this MQTT broker, "
        "mqtt[s]://[user@]host[:port][/prefix]; "
        "the password is read from $EDGEAE_MQTT_PASSWORD.",
    ),
    run_option(
        "--mqtt-discovery",
        default="homeassistant",
        show_default=True,
        help="Topic prefix for the discovery of Home Assistant, or none.",
    ),
    run_option(
        "--mqtt-every",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0, 3600),
        help="Seconds between two states published over MQTT.",
    ),
    run_option(
        "--mqtt-client",
        help="MQTT client id; needed if two processes share host and prefix.",
    ),
    run_option(
        "--mqtt-ca",
        type=FILE,
        value_kind="input-file",
        help="PEM file of the authority that signed the MQTT broker's certificate.",
    ),
    run_option(
        "--mqtt-commands",
        is_flag=True,
        help="Receive commands over MQTT: `normal` on the topic PREFIX/MACHINE/command says that "
        "the last event was normal. Home Assistant shows a button for it.",
    ),
)


@dataclass(frozen=True)
class MqttOptions:
    """The values of the options."""

    mqtt: str | None
    mqtt_discovery: str
    mqtt_every: float  # seconds
    mqtt_client: str | None
    mqtt_ca: Path | None
    mqtt_commands: bool


def open_mqtt(options: MqttOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to an `Mqtt` sink, if there is a broker."""
    if options.mqtt is None:
        if options.mqtt_commands:
            raise ConfigError("--mqtt-commands needs a broker; give --mqtt, too")
        return None
    from .sink import Mqtt

    sink = Mqtt(
        options.mqtt,
        discovery=None if options.mqtt_discovery == "none" else options.mqtt_discovery,
        every=options.mqtt_every,
        client_id=options.mqtt_client,
        ca_file=options.mqtt_ca,
        sources=context.sources,
        feedback=context.feedback if options.mqtt_commands else None,
    )
    return OpenOutput([context.outbox(sink)])


OUTPUT = OutputDeclaration(OPTIONS, MqttOptions, open_mqtt)
