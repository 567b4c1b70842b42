"""Hostile versions of what edgeae reads, chosen by whoever asks: the fuzzer's bytes or Hypothesis.

A byte flipped in an artifact is found by its SHA-256. What an attacker would write is an artifact
with a right checksum, so these edit below it:

    sections   JSON with one value replaced, an array scaled, emptied, reshaped     -> signed again
    network    Protocol Buffers with one field replaced, dropped, doubled, swapped  -> signed again

``choose(n)`` gives an integer from 0 to n - 1; always 0 is a valid chooser.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from edgeae.runtime.model.artifact import SECTIONS, digest
from edgeae.runtime.model.onnx_checks import OPERATORS
from edgeae.runtime.model.protobuf import (
    Field,
    encode_field,
    read_fields,
    read_metadata,
    with_metadata,
)

Choose = Callable[[int], int]
T = TypeVar("T")

NUMBERS = [
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    1024,
    4096,
    4097,
    1 << 15,
    1 << 20,
    *(1 << n for n in (31, 32, 40, 62, 63)),
]
NUMBERS += [(1 << 31) - 1, (1 << 63) - 1, (1 << 64) - 1, (1 << 64) - 2]  # the last two: -1 and -2
FLOATS = [0.0, -0.0, 1e-300, 1e-45, 1e-7, 0.5, 1e7, 3e38, 1e300, -1e300, -1.0]
VALUES: list[Any] = [
    None,
    True,
    False,
    *NUMBERS,
    -1,
    10**400,
    *FLOATS,
    "",
    "x",
    "é\n\x1b[31m",
    "mse",
    "no_network",
    [],
    {},
    [[]],
]
SCALES = [0.0, -1.0, 1e-30, 1e-45, 1e10, 1e30, 3e38]
NAMES = sorted(OPERATORS)


def pick(choose: Choose, among: Sequence[T]) -> T:
    return among[choose(len(among))]


def array(value: Any, choose: Choose) -> Any:
    """A packed array with other values, or another shape."""
    floats = np.frombuffer(base64.b64decode(value["float32"]), "<f4").astype(np.float64)
    shape, how = list(value["shape"]), choose(4)
    if how == 0:
        floats = floats * pick(choose, SCALES)
    elif how == 1 and len(floats):
        floats[choose(len(floats))] = pick(choose, SCALES)
    elif how == 2:
        shape = [pick(choose, [0, 1, -1, 1 << 40, *shape]) for _ in range(1 + choose(3))]
    else:
        floats = floats[: choose(len(floats) + 1)]
        shape = [len(floats)]
    packed = np.clip(floats, -3e38, 3e38).astype("<f4").tobytes()
    return {"shape": shape, "float32": base64.b64encode(packed).decode()}


def edited(value: Any, choose: Choose) -> Any:
    """A JSON value with one place in it replaced."""
    if isinstance(value, dict) and value.keys() == {"shape", "float32"} and choose(8):
        return array(value, choose)
    if isinstance(value, dict | list) and value and choose(8):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = pick(choose, keys)
        copy = value.copy()
        copy[key] = edited(value[key], choose)
        if not choose(8):
            del copy[key]
        return copy
    return pick(choose, VALUES)


def message(content: bytes, choose: Choose) -> bytes:
    """A Protocol Buffers message with one field edited, all the way down."""
    fields = list(read_fields(memoryview(content)))
    if not fields:
        return content
    at = choose(len(fields))
    number, kind, old = fields[at]
    value: int | bytes
    if isinstance(old, int):
        value = pick(choose, NUMBERS)
    elif kind != 2:
        value = bytes(choose(256) for _ in old)
    elif choose(6) and _is_message(old):
        value = message(bytes(old), choose)
    else:
        same = [
            bytes(other)
            for n, k, other in fields
            if (n, k) == (number, kind) and not isinstance(other, int)
        ]
        value = pick(
            choose,
            [
                b"",
                bytes(old) * 2,
                bytes(old)[:-1],
                pick(choose, same),
                pick(choose, NAMES).encode(),
            ],
        )
    fields[at] = Field(number, kind, value if isinstance(value, int) else memoryview(value))
    order = choose(6)
    if order == 1:
        fields.insert(choose(len(fields)), fields[at])
    elif order == 2:
        del fields[at]
    return b"".join(encode_field(*field) for field in fields)


def _is_message(value: memoryview) -> bool:
    try:
        return 0 < len(value) < 1 << 20 and all(
            0 < number < 40 for number, _, _ in read_fields(value)
        )
    except (ValueError, IndexError):
        return False


def artifact(content: bytes, choose: Choose) -> bytes:
    """A hostile artifact with a right checksum."""
    entries, network = read_metadata(content, "edgeae."), with_metadata(content, "edgeae.", {})
    for _ in range(1 + choose(4)):
        if choose(2):
            network = message(network, choose)
        else:
            key = f"edgeae.{pick(choose, SECTIONS)}"
            entries[key] = json.dumps(edited(json.loads(entries[key]), choose))
    return signed(network, entries)


def signed(network: bytes, entries: dict[str, str]) -> bytes:
    """An artifact whose SHA-256 is that of its content."""
    return with_metadata(network, "edgeae.", {**entries, "edgeae.sha256": digest(network, entries)})
