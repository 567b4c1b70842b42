"""Passwords and certificates: which files are refused, and what a real mosquitto takes."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import example_lines
import pytest
from certificates import Authority, Certificate
from mosquitto import Mosquitto, Subscriber

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.mqtt.broker import Broker
from edgeae.runtime.outputs.mqtt.client import MqttLimits
from edgeae.runtime.outputs.mqtt.credentials import password_of, tls_context
from edgeae.runtime.outputs.mqtt.files import MqttFiles
from edgeae.runtime.outputs.mqtt.sink import Mqtt
from edgeae.runtime.outputs.sink import OutputError

BROKER = Broker.parse("mqtts://pi@127.0.0.1")
# paho leaves the socket of a failed handshake to the garbage collector.
failed_handshake = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)

MakeSink = Callable[..., Mqtt]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEAE_MQTT_PASSWORD", raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Certificate:
    return authority.sign("pump-3")


@pytest.fixture
def make_sink() -> Iterator[MakeSink]:
    sinks: list[Mqtt] = []

    def made(url: str, files: MqttFiles) -> Mqtt:
        limits = MqttLimits(first_connection_seconds=20.0)
        sinks.append(Mqtt(url, files=files, client_id="here", limits=limits))
        return sinks[-1]

    yield made
    for sink in sinks:
        sink.close()


# --- passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\nsecond line", "s3cret"),
        (b" with spaces ", " with spaces "),
        ("gr\u00fc\u00df".encode(), "gr\u00fc\u00df"),
    ],
)
def test_the_first_line_of_a_file_is_the_password(
    content: bytes, password: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert password_of(BROKER, MqttFiles(password=file)) == password


def test_without_a_file_and_without_the_variable_there_is_no_password() -> None:
    assert password_of(BROKER, MqttFiles()) is None


def test_two_passwords_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEAE_MQTT_PASSWORD", "s3cret")
    with pytest.raises(ConfigError, match="are both given; give one of them"):
        password_of(BROKER, MqttFiles(password=tmp_path / "password"))


def test_a_password_file_without_a_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret")
    with pytest.raises(ConfigError, match=r"--mqtt-password-file is set, but --mqtt names no user"):
        password_of(Broker.parse("mqtt://host"), MqttFiles(password=file))


def test_a_password_file_whose_first_line_is_empty_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\ns3cret\n")
    with pytest.raises(ConfigError, match="its first line is empty; write the password") as caught:
        password_of(BROKER, MqttFiles(password=file))
    assert "s3cret" not in str(caught.value)


# --- certificates ---------------------------------------------------------------------------------


def test_a_connection_without_tls_has_no_context() -> None:
    assert tls_context(Broker.parse("mqtt://host"), MqttFiles()) is None


def test_a_certificate_and_its_key_may_be_one_file(ours: Certificate, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(ours.key.read_bytes() + ours.file.read_bytes())
    assert tls_context(BROKER, MqttFiles(certificate=both))
    assert tls_context(BROKER, MqttFiles(certificate=ours.file, key=ours.key))


def refusal(**files: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        tls_context(BROKER, MqttFiles(**files))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_cannot_be_used_are_refused_in_one_sentence(
    authority: Authority, ours: Certificate, tmp_path: Path
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    encrypted = authority.sign("encrypted", passphrase="s3cret")
    no_file = "cannot be read (No such file or directory); name another file"
    refusals = {
        refusal(key=ours.key): "--mqtt-key is the key of a certificate; give --mqtt-cert, too",
        refusal(certificate=missing, key=ours.key): f"--mqtt-cert {missing}: {no_file}",
        refusal(certificate=ours.file, key=missing): f"--mqtt-key {missing}: {no_file}",
        refusal(certificate=tmp_path, key=ours.key): (
            f"--mqtt-cert {tmp_path}: cannot be read (Is a directory); name another file"
        ),
        refusal(certificate=text, key=ours.key): (
            f"--mqtt-cert {text}: no certificate in PEM form; name another file"
        ),
        refusal(certificate=ours.file, key=text): (
            f"--mqtt-key {text}: no private key in PEM form; name another file"
        ),
        refusal(certificate=ours.file): (
            f"--mqtt-cert {ours.file}: no private key in PEM form; give --mqtt-key, too"
        ),
        refusal(certificate=ours.file, key=authority.own.key): (
            f"--mqtt-key {authority.own.key}: not the key of {ours.file}; "
            f"name the key that belongs to it"
        ),
        refusal(certificate=encrypted.file, key=encrypted.key): (
            f"--mqtt-key {encrypted.key}: the key is encrypted; store it without a passphrase in "
            f"a file that only this user can read"
        ),
    }
    assert list(refusals) == list(refusals.values())


# --- a real broker --------------------------------------------------------------------------------


@pytest.fixture
def tls_broker(mosquitto: Mosquitto, authority: Authority) -> Mosquitto:
    """mosquitto with TLS, which takes only clients with a certificate of the authority."""
    broker = authority.sign("broker", "subjectAltName=IP:127.0.0.1")
    mosquitto.configure(
        f"certfile {broker.file}",
        f"keyfile {broker.key}",
        f"cafile {authority.own.file}",
        "require_certificate true",
        "use_identity_as_username true",
    )
    mosquitto.start()
    return mosquitto


def url_of(broker: Mosquitto) -> str:
    return broker.url.replace("mqtt:", "mqtts:")


@failed_handshake
def test_the_broker_s_certificate_is_checked_against_the_given_authority(
    mosquitto: Mosquitto, make_sink: MakeSink, authority: Authority
) -> None:
    broker = authority.sign("broker", "subjectAltName=IP:127.0.0.1")
    mosquitto.configure("allow_anonymous true", f"certfile {broker.file}", f"keyfile {broker.key}")
    mosquitto.start()
    with pytest.raises(OutputError, match=r"cannot be reached .*unable to get local issuer"):
        make_sink(url_of(mosquitto), MqttFiles()).deliver(example_lines.score())
    make_sink(url_of(mosquitto), MqttFiles(ca=authority.own.file)).deliver(example_lines.score())
    with pytest.raises(ConfigError, match="no certificates in PEM form"):
        make_sink(url_of(mosquitto), MqttFiles(ca=broker.key))


def test_a_client_certificate_opens_a_broker_that_asks_for_one(
    tls_broker: Mosquitto, make_sink: MakeSink, authority: Authority, ours: Certificate
) -> None:
    files = MqttFiles(ca=authority.own.file, certificate=ours.file, key=ours.key)
    make_sink(url_of(tls_broker), files).deliver(example_lines.score())


@failed_handshake
@pytest.mark.parametrize("shown", ["none", "of another authority"])
def test_a_broker_that_refuses_our_certificate_is_reported_with_the_option(
    tls_broker: Mosquitto,
    make_sink: MakeSink,
    authority: Authority,
    tmp_path: Path,
    shown: str,
) -> None:
    files = MqttFiles(ca=authority.own.file)
    if shown != "none":
        other = Authority(tmp_path, "other").sign("pump-3")
        files = MqttFiles(ca=authority.own.file, certificate=other.file, key=other.key)
    sink = make_sink(url_of(tls_broker), files)
    with pytest.raises(OutputError, match="--mqtt-cert"):
        sink.deliver(example_lines.score())


def test_a_password_in_a_file_opens_a_broker_that_asks_for_it(
    mosquitto: Mosquitto,
    make_sink: MakeSink,
    subscribe: Callable[..., Subscriber],
    tmp_path: Path,
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "pi", "right"],
        check=True,
        capture_output=True,
    )
    mosquitto.configure("allow_anonymous false", f"password_file {passwords}")
    mosquitto.start()
    url = mosquitto.url.replace("//", "//pi@")
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with pytest.raises(OutputError, match=r"check the user in the URL and --mqtt-password-file"):
        make_sink(url, MqttFiles(password=file)).deliver(example_lines.score())
    file.write_text("right\n")
    make_sink(url, MqttFiles(password=file)).deliver(example_lines.score())
