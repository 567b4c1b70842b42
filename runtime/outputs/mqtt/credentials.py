"""How edgeae and an MQTT broker prove to each other who they are: password and certificates."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ...system.secret_file import read_secret
from .broker import PASSWORD_VARIABLE, Broker
from .files import MqttFiles

if TYPE_CHECKING:
    from ssl import SSLContext


def password_of(broker: Broker, files: MqttFiles) -> str | None:
    """The password for the user of the broker's URL; None without one.

    ConfigError for two passwords, for one without a user, or for a file that cannot be read.
    """
    password = os.environ.get(PASSWORD_VARIABLE)
    origin = f"${PASSWORD_VARIABLE}"
    if files.password is not None:
        if password is not None:
            raise ConfigError(f"--mqtt-password-file and {origin} are both given; give one of them")
        origin = "--mqtt-password-file"
        password = read_secret(origin, files.password)
        if not password:
            raise ConfigError(
                f"{origin} {files.password}: its first line is empty; write the password there"
            )
    if password is not None and broker.user is None:
        raise ConfigError(
            f"{origin} is set, but --mqtt names no user; write mqtt://user@{broker.host}"
        )
    return password


def tls_context(broker: Broker, files: MqttFiles) -> "SSLContext | None":
    """What TLS trusts and shows; None for a connection without TLS.

    ConfigError for files that cannot be used, or that need TLS where there is none.
    """
    if not broker.tls:
        for option in files.given():
            if option != "--mqtt-password-file":
                raise ConfigError(
                    f"{option} is for a connection with TLS; write mqtts://, or leave {option} out"
                )
        return None
    if files.key and not files.certificate:
        raise ConfigError("--mqtt-key is the key of a certificate; give --mqtt-cert, too")
    import ssl

    try:
        context = ssl.create_default_context(cafile=files.ca)
    except OSError as error:
        raise ConfigError(
            f"{files.ca}: no certificates in PEM form ({error.strerror or error}); "
            f"name another file"
        ) from None
    if files.certificate:
        _add_certificate(context, files.certificate, files.key)
    return context


def _add_certificate(context: "SSLContext", certificate: Path, key: Path | None) -> None:
    key_option = "--mqtt-key" if key else "--mqtt-cert"
    key = key or certificate
    for option, file in (("--mqtt-cert", certificate), (key_option, key)):
        _check_readable(option, file)
    is_encrypted = False

    def no_password() -> str:
        # OpenSSL would ask for it on the terminal.
        nonlocal is_encrypted
        is_encrypted = True
        return ""

    try:
        context.load_cert_chain(certificate, key, no_password)
    except (OSError, ValueError) as error:
        if is_encrypted:
            raise ConfigError(
                f"{key_option} {key}: the key is encrypted; store it without a passphrase in a "
                f"file that only this user can read"
            ) from None
        raise ConfigError(_refusal(certificate, key_option, key, error)) from None


def _check_readable(option: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"{option} {file}: cannot be read ({error.strerror}); name another file"
        ) from None


def _refusal(certificate: Path, key_option: str, key: Path, error: Exception) -> str:
    """Why OpenSSL refuses a certificate and its key."""
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{key_option} {key}: not the key of {certificate}; name the key that belongs to it"
    if not _holds(certificate, b"CERTIFICATE"):
        return f"--mqtt-cert {certificate}: no certificate in PEM form; name another file"
    if not _holds(key, b"PRIVATE KEY"):
        advice = "name another file" if key_option == "--mqtt-key" else "give --mqtt-key, too"
        return f"{key_option} {key}: no private key in PEM form; {advice}"
    return f"--mqtt-cert {certificate} with its key: cannot be used ({error}); make them again"


def _holds(file: Path, kind: bytes) -> bool:
    """Whether a PEM file has a section of this kind; of keys there are several."""
    with file.open("rb") as opened:
        return kind + b"-----" in opened.read(1 << 20)
