"""Declares `--mqtt`: its options and how it opens."""

from dataclasses import dataclass
from pathlib import Path

import click

from ...errors import ConfigError
from ..declaration import FILE, OpenOutput, OutputContext, OutputDeclaration, run_option
from .files import MqttFiles

OPTIONS = (
    run_option(
        "--mqtt",
        metavar="URL",
        value_kind="url",
        keeps_lines=True,
        help="Publish states and events to this MQTT broker, "
        "mqtt[s]://[user@]host[:port][/prefix]; "
        "the password is read from $EDGEAE_MQTT_PASSWORD or --mqtt-password-file.",
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
        "--mqtt-cert",
        type=FILE,
        envvar="EDGEAE_MQTT_CERT",
        value_kind="secret-file",
        help="PEM file of the certificate that edgeae shows to the MQTT broker.  "
        "[default: $EDGEAE_MQTT_CERT, else none]",
    ),
    run_option(
        "--mqtt-key",
        type=FILE,
        envvar="EDGEAE_MQTT_KEY",
        value_kind="secret-file",
        help="PEM file of the private key of --mqtt-cert, without a passphrase.  "
        "[default: $EDGEAE_MQTT_KEY, else the file of --mqtt-cert]",
    ),
    run_option(
        "--mqtt-password-file",
        type=FILE,
        envvar="EDGEAE_MQTT_PASSWORD_FILE",
        value_kind="secret-file",
        help="File whose first line is the password of the user in --mqtt.  "
        "[default: $EDGEAE_MQTT_PASSWORD_FILE, else none]",
    ),
    run_option(
        "--mqtt-commands",
        is_flag=True,
        help="Receive commands over MQTT on the topic PREFIX/MACHINE/command: `normal` says that "
        "the last event was normal, `pause` and `resume` stop and start the scoring. Home "
        "Assistant shows a button and a switch for them.",
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
    mqtt_cert: Path | None
    mqtt_key: Path | None
    mqtt_password_file: Path | None
    mqtt_commands: bool
    page: str | None  # for a link
    page_url: str | None
    page_cert: Path | None


def open_mqtt(options: MqttOptions, context: OutputContext) -> OpenOutput | None:
    """A queue to an `Mqtt` sink, if there is a broker."""
    files = MqttFiles(
        ca=options.mqtt_ca,
        certificate=options.mqtt_cert,
        key=options.mqtt_key,
        password=options.mqtt_password_file,
    )
    if options.mqtt is None:
        needing = [*files.given(), *(["--mqtt-commands"] if options.mqtt_commands else [])]
        if needing:
            raise ConfigError(f"{needing[0]} needs a broker; give --mqtt, too")
        return None
    from ..page_link import page_link
    from .sink import Mqtt

    sink = Mqtt(
        options.mqtt,
        discovery=None if options.mqtt_discovery == "none" else options.mqtt_discovery,
        every=options.mqtt_every,
        client_id=options.mqtt_client,
        files=files,
        sources=context.sources,
        feedback=context.feedback if options.mqtt_commands else None,
        page_url=page_link(options.page, options.page_url, is_encrypted=bool(options.page_cert)),
    )
    return OpenOutput([context.outbox(sink)])


OUTPUT = OutputDeclaration(
    OPTIONS, MqttOptions, open_mqtt, other_options=("page", "page_url", "page_cert")
)
