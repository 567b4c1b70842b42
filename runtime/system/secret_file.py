"""Secrets in files, such as passwords and tokens: the first line counts."""

from pathlib import Path

from ..errors import ConfigError

MAX_SECRET_BYTES = 4096


def read_secret(option: str, file: Path) -> str:
    """The first line of a file, without its end; it may be empty.

    ConfigError for a file that cannot be read or holds no text; ``option`` names it.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{option} {file}: cannot be read ({error.strerror}); name another file"
        ) from error
    line = content.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) > MAX_SECRET_BYTES:
        raise ConfigError(
            f"{option} {file}: its first line has more than {MAX_SECRET_BYTES} bytes; "
            f"name another file"
        )
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise ConfigError(
            f"{option} {file}: its first line is not UTF-8; write the secret as text"
        ) from None
