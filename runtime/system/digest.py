"""SHA-256 in Python's own code: `hashlib` loads OpenSSL, which takes 4 MiB of memory."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256  # Python 3.11
        except ImportError:  # a Python built without it
            from hashlib import sha256

__all__ = ["sha256"]
