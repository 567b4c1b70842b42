"""Names of files as text: a name on Linux is bytes, which need not be UTF-8.

Python holds other bytes as lone surrogates, which are no valid Unicode: neither JSON nor CSV nor a
page may contain them.
"""

import os
import re
from pathlib import Path

# What would be read as an escaped byte.
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def path_text(path: str | Path) -> str:
    r"""A path as valid Unicode: bytes that are not UTF-8 are written as ``\xe9``.

    `path_of` returns the path; a backslash that a name itself holds before such digits is
    written as ``\x5c``.
    """
    text = str(path)
    escaped = _ESCAPE.sub(r"\\x5cx\1", text)
    return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def path_of(text: str) -> Path:
    """The path that `path_text` has written."""
    parts = _ESCAPE.split(text)
    # Between the texts stand the digits of the bytes.
    raw = b"".join(
        bytes.fromhex(part) if i % 2 else part.encode("utf-8", "surrogateescape")
        for i, part in enumerate(parts)
    )
    return Path(os.fsdecode(raw))


def is_utf8(path: str | Path) -> bool:
    """Whether a path is valid Unicode as it is."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
