"""SHA-256 from Python itself: `hashlib` loads OpenSSL, 4 MiB of memory for a few sums at the start."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256  # Python 3.11
        except ImportError:  # a Python that was built without its own
            from hashlib import sha256

__all__ = ["sha256"]
