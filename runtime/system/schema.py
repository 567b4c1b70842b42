"""A dataclass as a schema: builds it from a mapping, and names each wrong value in an error."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import ConfigError

JsonObject = dict[str, Any]

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """Limits of a number, both included: ``Annotated[int, Between(1, 9)]``."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"

    def holds(self, value: Any) -> bool:
        """Whether the number is within the limits."""
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class PositiveUpTo:
    """Limit of a number above 0, itself included: ``Annotated[float, PositiveUpTo(1.0)]``."""

    high: float

    def __str__(self) -> str:
        return f"greater than 0, at most {self.high:g}"

    def holds(self, value: Any) -> bool:
        """Whether the number is within the limits."""
        return bool(0 < value <= self.high)


@dataclass(frozen=True)
class MaxLength:
    """Limit of a text, which is never empty: ``Annotated[str, MaxLength(40)]``."""

    n_characters: int

    def __str__(self) -> str:
        return f"1 to {self.n_characters} printable characters"

    def holds(self, value: Any) -> bool:
        """Whether the text is printable, not empty and short enough."""
        return value.isprintable() and 0 < len(value) <= self.n_characters


def build(kind: type[T], values: object, path: str = "", *, ignore_unknown: bool = False) -> T:
    """A dataclass from a mapping, each value checked against its field's type.

    None gives all defaults.

    Fields may be plain types, Literals, Annotated with limits, arrays, tuples, dictionaries with
    text keys, other dataclasses, and unions of these. Arrays become float64.

    :param kind: the dataclass
    :param path: the key of the mapping itself, for messages
    :param ignore_unknown: accept keys that the dataclass does not have, as a file of a newer
        version may have them
    Raises ConfigError for an unknown or missing key, a wrong type, and a value out of its limits.
    """
    hints = get_type_hints(kind, include_extras=True)
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        allowed = f"a mapping with {', '.join(hints)}"
        raise ConfigError(f"{path or 'the file'} is {_short(values)}; allowed is {allowed}")
    names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in names and not ignore_unknown:
            raise ConfigError(f"unknown key {_join(path, key)}; allowed are {', '.join(names)}")
    for item in fields(kind):  # type: ignore[arg-type]
        has_default = item.default is not MISSING or item.default_factory is not MISSING
        if item.name not in values and not has_default:
            raise ConfigError(f"{_join(path, item.name)} is missing")
    checked = {
        key: _checked(hints[key], value, _join(path, key), ignore_unknown)
        for key, value in values.items()
        if key in names
    }
    return kind(**checked)


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _short(value: object) -> str:
    return f"{value!r:.60}"


def _checked(kind: Any, value: Any, path: str, ignore_unknown: bool) -> Any:
    """``value`` as ``kind``; ConfigError if it is neither of the kinds of a union."""
    for option in _options(kind):
        if is_dataclass(option) and (isinstance(value, Mapping) or option is kind):
            return build(option, value, path, ignore_unknown=ignore_unknown)  # type: ignore[arg-type]
        if get_origin(option) is tuple and isinstance(value, list | tuple):
            item_kind = get_args(option)[0]
            return tuple(
                _checked(item_kind, item, f"{path}[{i}]", ignore_unknown)
                for i, item in enumerate(value)
            )
        if get_origin(option) is dict and isinstance(value, Mapping):
            value_kind = get_args(option)[1]
            return {
                str(key): _checked(value_kind, item, _join(path, key), ignore_unknown)
                for key, item in value.items()
            }
        if _fits(option, value):
            return _converted(option, value, path)
    raise ConfigError(f"{path} is {_short(value)}; allowed is {_words(kind)}")


def _converted(kind: Any, value: Any, path: str) -> Any:
    if _is_array(kind):
        return value.astype(np.float64)
    if _plain(kind) is not float:
        return value
    try:
        return float(value)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise ConfigError(f"{path} is {_short(value)}; allowed is {_words(kind)}") from error


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_array(kind: object) -> bool:
    return get_origin(kind) is np.ndarray


def _fits(kind: Any, value: Any) -> bool:
    """Whether ``value`` has a type that is not a union; an int is a float, a bool is no int."""
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind) and not isinstance(value, bool)
    if get_origin(kind) is Annotated:
        base, limits = get_args(kind)
        return _fits(base, value) and limits.holds(value)
    if _is_array(kind) or isinstance(value, np.ndarray):
        return _is_array(kind) and isinstance(value, np.ndarray)
    return _is_plain_value(kind, value)


def _is_plain_value(kind: Any, value: Any) -> bool:
    """Whether ``value`` is of a plain type: text, a number, true or false, null."""
    if get_origin(kind) in (tuple, dict) or is_dataclass(kind):
        return False
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _words(kind: Any) -> str:
    """A type in words: ``a whole number, 1 to 512``."""
    options = _options(kind)
    if len(options) > 1:
        return " or ".join(_words(option) for option in options)
    if get_origin(kind) is Literal:
        return " or ".join(repr(value) for value in get_args(kind))
    if get_origin(kind) is Annotated:
        base, limits = get_args(kind)
        return f"{_words(base)}, {limits}"
    if get_origin(kind) is tuple:
        return f"a list of {_words(get_args(kind)[0])}"
    return _plain_words(kind)


def _plain_words(kind: Any) -> str:
    if _is_array(kind):
        return "an array"
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        type(None): "null",
    }
    return words.get(kind, "a mapping")
