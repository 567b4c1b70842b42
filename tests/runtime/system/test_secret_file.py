"""Secrets in files."""

from pathlib import Path

import pytest

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.secret_file import MAX_SECRET_BYTES, read_secret


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"abc", "abc"),
        (b"abc\n", "abc"),
        (b"abc\r\n", "abc"),
        (b" a b \nmore", " a b "),
        (b"", ""),
        (b"\nabc", ""),
        (b"\r\n", ""),
        (b"a" * MAX_SECRET_BYTES, "a" * MAX_SECRET_BYTES),
    ],
)
def test_the_first_line_is_the_secret(content: bytes, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert read_secret("--secret-file", file) == secret


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "its first line is not UTF-8; write the secret as text"),
        (b"a" * (MAX_SECRET_BYTES + 1), "its first line has more than 4096 bytes"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_not_shown(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^--secret-file {file}: {reason}") as caught:
        read_secret("--secret-file", file)
    assert "abc" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\)"):
        read_secret("--secret-file", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        read_secret("--secret-file", tmp_path)


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than 4096 bytes"):
        read_secret("--secret-file", Path("/dev/zero"))
