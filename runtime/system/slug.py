"""A name as a part of a file's name."""

import re
import unicodedata

from .digest import sha256

LONGEST = 40  # characters


def slug(text: str) -> str:
    """``text`` in lower case letters, digits and dashes; where letters are lost, a digest tells it apart."""
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    )
    found = re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")
    if found and len(found) <= LONGEST and letters.isascii():
        return found
    digest = sha256(text.encode(errors="replace")).hexdigest()[:6]
    return f"{found[: LONGEST - 7].strip('-') or 'machine'}-{digest}"
