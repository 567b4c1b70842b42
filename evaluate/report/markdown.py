"""Words and tables in Markdown, of values that come from foreign files."""

from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 400  # letters of one value
UNKNOWN = "not stated"
DEEPEST = 8  # a value within values

# What starts markup, formulas, links, HTML or the next cell; as entities where a backslash could itself be escaped.
_MARKUP = str.maketrans({c: f"\\{c}" for c in "*_[]~$"} | {c: f"&#{ord(c)};" for c in "\\`|<>&@"})


def text(value: Any) -> str:
    """A value of a file as plain words on one line, whatever it holds; `UNKNOWN` for nothing."""
    words = "".join(letter if letter.isprintable() else " " for letter in _words(value))
    words = " ".join(words.split())
    return f"{words[:LONGEST]}{' ...' * (len(words) > LONGEST)}".translate(_MARKUP) or UNKNOWN


def _words(value: Any, depth: int = 0) -> str:
    if depth > DEEPEST:
        return "..."
    if value is None or (isinstance(value, str | list | dict) and not value):
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_words(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item, depth + 1)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def code(words: str) -> str:
    """A command of a code block: on one line, without what could end the block."""
    return "".join(letter if letter.isprintable() and letter != "`" else "?" for letter in words)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells that are Markdown already."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
