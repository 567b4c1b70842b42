"""A dataclass as a schema: builds it from a mapping and says what is wrong with a value in words."""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import ConfigError


@dataclass(frozen=True)
class Between:
    """Limits of a number, both included: ``Annotated[int, Between(1, 9)]``."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


def build(kind: Any, values: Any, path: str = "") -> Any:
    """A dataclass from a mapping (or None: all defaults), each value checked against its field's type.

    ``path`` is the key of the mapping itself, for errors. Raises ConfigError for an unknown key,
    a wrong type and a number out of its limits.
    """
    hints = get_type_hints(kind, include_extras=True)
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{path or 'the file'} is {values!r}; allowed is a mapping with {', '.join(hints)}"
        )
    names = [item.name for item in fields(kind)]
    for key in values:
        if key not in names:
            raise ConfigError(f"unknown key {_join(path, key)}; allowed are {', '.join(names)}")
    return kind(
        **{key: _checked(hints[key], value, _join(path, key)) for key, value in values.items()}
    )


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _checked(kind: Any, value: Any, path: str) -> Any:
    if is_dataclass(kind):
        return build(kind, value, path)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(
                f"{path} is {value!r}; allowed is a list of {_words(get_args(kind)[0])}"
            )
        return tuple(
            _checked(get_args(kind)[0], item, f"{path}[{i}]") for i, item in enumerate(value)
        )
    for option in _options(kind):
        if _fits(option, value):
            return float(value) if _plain(option) is float else value
    raise ConfigError(f"{path} is {value!r}; allowed is {_words(kind)}")


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _fits(kind: Any, value: Any) -> bool:
    """Whether ``value`` is of a type that is not a union; an int serves as a float, a bool never as an int."""
    if get_origin(kind) is Literal:
        return value in get_args(kind) and not isinstance(value, bool)
    if get_origin(kind) is Annotated:
        base, limits = get_args(kind)
        return _fits(base, value) and limits.low <= value <= limits.high
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _words(kind: Any) -> str:
    """A type as a person says it: ``a whole number, 1 to 512``."""
    options = _options(kind)
    if len(options) > 1:
        return " or ".join(_words(option) for option in options)
    if get_origin(kind) is Literal:
        return " or ".join(repr(value) for value in get_args(kind))
    if get_origin(kind) is Annotated:
        base, limits = get_args(kind)
        return f"{_words(base)}, {limits}"
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        type(None): "null",
    }
    return words[kind]
