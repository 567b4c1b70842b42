"""ONNX files without the onnx package: what is in one, whether it can be trusted, its metadata.

The file is Protocol Buffers: a sequence of (field number, wire type, payload). Walking it needs
neither onnx nor protobuf, so the device judges a file before a session is made of it and replaces
its metadata.
"""

from collections.abc import Iterator
from typing import Any

MAX_FIELDS = 1 << 14  # of one message: a graph of edgeae has hundreds
MAX_NUMBERS = 64  # in one list: dimensions, strides, pads

# Protocol Buffers field numbers of onnx.proto that are looked at.
_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 4, 5, 7
_ATTRIBUTE_INT, _ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 3, 5, 8
_ATTRIBUTE_SUBGRAPH = (6, 11, 22, 23)  # graph(s), sparse tensor(s)
_TENSOR_DIMS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 13, 14

Field = tuple[int, int, Any]  # number, wire type, value: int or memoryview


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
        shift += 7
        if shift > 63:
            raise ValueError("a number longer than 64 bits")


def _fields(data: memoryview) -> Iterator[Field]:
    """The fields of one message; ValueError or IndexError where it is not one, or none of an edgeae model."""
    at = count = 0
    while at < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise ValueError(f"a message of more than {MAX_FIELDS} fields")
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, kind, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, kind, data[at : at + size]
        at += size


def _text(value: Any) -> str:
    return bytes(value).decode()


def _numbers(kind: int, value: Any) -> list[int]:
    """A repeated integer field, packed or not."""
    if kind == 0:
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
        if len(numbers) > MAX_NUMBERS:
            raise ValueError(f"a list of more than {MAX_NUMBERS} numbers")
    return numbers


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode(number: int, kind: int, value: Any) -> bytes:
    key = _encode_varint(number << 3 | kind)
    if kind == 0:
        return key + _encode_varint(value)
    size = _encode_varint(len(value)) if kind == 2 else b""
    return key + size + bytes(value)


# --- what is refused before a session is made ---------------------------------------------------


# --- metadata -----------------------------------------------------------------------------------


def _entry(data: memoryview) -> tuple[str, memoryview]:
    pair = {number: value for number, kind, value in _fields(data) if kind == 2}
    return _text(pair.get(1, b"")), pair.get(2, memoryview(b""))


def read_metadata(model: bytes, prefix: str) -> dict[str, str]:
    """The ``metadata_props`` whose keys begin with ``prefix``; ValueError or IndexError for no ONNX file."""
    fields = _fields(memoryview(model))
    entries = (
        _entry(value) for number, kind, value in fields if number == _MODEL_METADATA and kind == 2
    )
    return {key: _text(value) for key, value in entries if key.startswith(prefix)}


def with_metadata(model: bytes, prefix: str, metadata: dict[str, str]) -> bytes:
    """``model`` with the entries of that ``prefix`` replaced; every other field keeps its value and order."""
    kept = [
        _encode(number, kind, value)
        for number, kind, value in _fields(memoryview(model))
        if number != _MODEL_METADATA or kind != 2 or not _entry(value)[0].startswith(prefix)
    ]
    for key, text in metadata.items():
        kept.append(
            _encode(_MODEL_METADATA, 2, _encode(1, 2, key.encode()) + _encode(2, 2, text.encode()))
        )
    return b"".join(kept)
