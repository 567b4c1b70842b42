"""The certificate of a server: files that cannot be used, and files that are replaced."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.outputs.server_tls import ServerTls


def make_certificate(path: Path, name: str) -> None:
    """A certificate at ``path``, its key beside it."""
    command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name}"
    files = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(["openssl", *command.split(), *files], check=True, capture_output=True)


def test_files_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "page.pem"
    with pytest.raises(ConfigError, match=r"--page-cert .*No such file.*PEM form"):
        ServerTls(certificate, certificate, "--page-cert")
    certificate.write_text("rubbish")
    with pytest.raises(ConfigError, match=r"--page-cert .*PEM form"):
        ServerTls(certificate, certificate, "--page-cert")


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_certificate(tmp_path / f"{name}.pem", name)
    with pytest.raises(ConfigError, match="cannot be used"):
        ServerTls(tmp_path / "one.pem", tmp_path / "two.key", "--page-cert")


def test_files_that_are_replaced_are_read_again(tmp_path: Path) -> None:
    certificate = tmp_path / "page.pem"
    make_certificate(certificate, "one")
    tls = ServerTls(certificate, certificate.with_suffix(".key"), "--page-cert")
    read_times = tls._read_times
    shutil.copy(certificate, tmp_path / "kept.pem")
    certificate.write_text("half a file")
    tls._reload()
    assert tls._read_times == read_times, "the old one serves"
    shutil.copy(tmp_path / "kept.pem", certificate)
    os.utime(certificate, (1, 1))
    tls._reload()
    assert tls._read_times != read_times
