"""A certificate with which a server encrypts its connections."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ssl import SSLContext


class ServerTls:
    """Wraps accepted connections. Files that are replaced, as by certbot, are read again."""

    def __init__(self, certificate: Path, key: Path, option: str) -> None:
        """ConfigError for files that cannot be used.

        option: what the message names, such as ``--page-cert``.
        """
        import ssl  # OpenSSL takes megabytes, so that only a certificate imports it

        self._certificate = certificate
        self._key = key
        self._context: SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._read_times = self._times()
        try:
            # An encrypted key would be asked for on the terminal.
            self._context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{option} {certificate} with the key {key}: cannot be used ({reason}); "
                f"give a certificate and its key, both in PEM form, the key without a password"
            ) from error

    def wrapped(self, connection: socket.socket) -> socket.socket:
        """The connection, encrypted; its handshake comes with the first read."""
        self._reload()
        return self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )

    def _reload(self) -> None:
        """Read files that were replaced; as long as they cannot be used, the old ones serve."""
        times = self._times()
        if times == self._read_times:
            return
        try:
            self._context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError):
            return
        self._read_times = times

    def _times(self) -> list[int]:
        """When the files were changed, nanoseconds; 0 for one that is not there."""
        times = []
        for path in (self._certificate, self._key):
            try:
                times.append(path.stat().st_mtime_ns)
            except OSError:
                times.append(0)
        return times
