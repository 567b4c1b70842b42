"""Names of machines and devices, as other programs need them, and sources that share a machine.

slug            part of a file name or of a unit's name
topic_level     one level of an MQTT topic
SourceNames     distinct names of the sources of one process, whatever their order
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .digest import sha256

MAX_LENGTH = 40  # characters of a slug
_DIGEST_LENGTH = 6  # characters


def slug(text: str) -> str:
    """``text`` in lower-case letters, digits and dashes.

    If letters are lost or cut off, it ends in a digest. Names that differ in case, spaces or other
    signs alone may have the same slug: see `distinct`.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    plain = re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")
    if plain and len(plain) <= MAX_LENGTH and letters.isascii():
        return plain
    start = plain[: MAX_LENGTH - _DIGEST_LENGTH - 1].strip("-") or "machine"
    return f"{start}-{_digest(text)}"


def topic_level(name: str) -> str:
    """``name`` as one level of a topic."""
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "source"


def distinct(names: Sequence[str], form: Callable[[str], str]) -> list[str]:
    """``form`` of each name; of those that would be equal, each ends in a digest.

    The result for a name does not depend on the order of the names.
    """
    formed = [form(name) for name in names]
    counts = Counter(text.lower() for text in formed)
    return [
        text if counts[text.lower()] == 1 else f"{text}-{_digest(name)}"
        for name, text in zip(names, formed, strict=True)
    ]


def _digest(text: str) -> str:
    return sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True)
class SourceIdentity:
    """Which source of which machine a line is about."""

    source: str  # its name in the lines, such as hw:1
    machine: str | None  # of the artifact


class SourceNames:
    """The names of the sources of one process.

    A source is named by its machine. Where a machine has several sources (one artifact for several
    microphones), each of them is named by both.
    """

    def __init__(self, identities: Sequence[SourceIdentity] = ()) -> None:
        """identities: all that are known; others may be added."""
        self._identities = list(dict.fromkeys(identities))

    @property
    def identities(self) -> Sequence[SourceIdentity]:
        return self._identities

    def add(self, identity: SourceIdentity) -> None:
        """Add a source that was not known; the names of the others should be in use no more."""
        if identity not in self._identities:
            self._identities.append(identity)

    def title(self, identity: SourceIdentity) -> str:
        """For people: pump-3, hw:1, or pump-3 (hw:1)."""
        if identity.machine is None:
            return identity.source
        if self._is_shared(identity.machine):
            return f"{identity.machine} ({identity.source})"
        return identity.machine

    def topic(self, identity: SourceIdentity) -> str:
        """The level of its topics: pump-3, hw-1, or pump-3-hw-1."""
        titles = [self.title(one) for one in self._identities]
        levels = distinct(titles, topic_level)
        return levels[self._identities.index(identity)]

    def _is_shared(self, machine: str) -> bool:
        return sum(one.machine == machine for one in self._identities) > 1
