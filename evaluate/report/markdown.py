"""Markdown from Jinja2 templates, into which any value may go: what could be markup is escaped."""

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

MAX_VALUE_LETTERS = 400
MAX_DEPTH = 8  # of values within values
UNKNOWN = "not stated"

# What starts markup, formulas, links, HTML or the next cell. A backslash could itself be escaped in
# some places, so what it must not stand before is written as an entity.
_BACKSLASHED = {letter: f"\\{letter}" for letter in "*_[]~$"}
_ENTITIES = {letter: f"&#{ord(letter)};" for letter in "\\`|<>&@"}
_ESCAPES = str.maketrans(_BACKSLASHED | _ENTITIES)


def environment(package: str) -> Environment:
    """Return the Jinja2 environment for the Markdown templates of a package.

    It escapes every value that is not `Markup`. ``cell`` leaves an empty text empty; ``code`` is
    for commands in a block of code.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,  # `finalize` escapes first, for Markdown; this keeps the output of macros
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell
    environment.filters["code"] = code
    return environment


def escape(value: object) -> Markup:
    """Return a value as plain words on one line; ``UNKNOWN`` for an empty value."""
    if isinstance(value, Markup):
        return value
    printable = "".join(letter if letter.isprintable() else " " for letter in _words(value))
    words = " ".join(printable.split())
    ending = " ..." if len(words) > MAX_VALUE_LETTERS else ""
    short = words[:MAX_VALUE_LETTERS] + ending
    return Markup(short.translate(_ESCAPES) or UNKNOWN)


def cell(text: str) -> Markup:
    """Return the text of a cell; an empty cell stays empty."""
    return escape(text) if text else Markup("")


def code(command: str) -> Markup:
    """Return a command on one line, without what could end the block of code that it stands in."""
    return Markup(
        "".join(
            letter if letter.isprintable() and letter != "`" else "?" for letter in str(command)
        )
    )


def _words(value: object, depth: int = 0) -> str:
    if depth > MAX_DEPTH:
        return "..."
    if value is None or (isinstance(value, str | list | dict) and not value):
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_words(item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item, depth + 1)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
