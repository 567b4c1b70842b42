"""Names of machines and devices as parts of file names."""

import re
import unicodedata

from .digest import sha256

MAX_LENGTH = 40  # characters
_DIGEST_LENGTH = 6  # characters


def slug(text: str) -> str:
    """``text`` in lower-case letters, digits and dashes.

    If letters are lost or cut off, it ends in a digest, so that different names stay different.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    plain = re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")
    if plain and len(plain) <= MAX_LENGTH and letters.isascii():
        return plain
    digest = sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]
    start = plain[: MAX_LENGTH - _DIGEST_LENGTH - 1].strip("-") or "machine"
    return f"{start}-{digest}"
