"""Certificates that a test makes when it runs, with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM."""

    file: Path
    key: Path


class Authority:
    """An authority that signs certificates; its files are in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            *("req", "-x509", *CURVE, "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", self.own.key, "-out", self.own.file),
        )

    def sign(self, name: str, *extension: str, passphrase: str | None = None) -> Certificate:
        """A new certificate for a name; extension: such as subjectAltName=IP:127.0.0.1."""
        request = self._folder / f"{name}.csr"
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        protection = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
        _openssl(
            *("req", *CURVE, *protection, "-subj", f"/CN={name}"),
            *("-keyout", made.key, "-out", request),
        )
        extensions = self._folder / f"{name}.ext"
        extensions.write_text("\n".join(["basicConstraints=CA:FALSE", *extension, ""]))
        _openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-CAcreateserial"),
            *("-CA", self.own.file, "-CAkey", self.own.key),
            *("-extfile", extensions, "-out", made.file),
        )
        return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
