"""Read and write ONNX files without the onnx package: fields, and the metadata of a model.

An ONNX file is a Protocol Buffers message: a sequence of fields (number, wire type, value). A
device can therefore check a file and replace its metadata without onnx and without protobuf.
"""

from collections.abc import Iterator
from typing import NamedTuple

MAX_FIELDS = 1 << 14  # of one message; a graph of edgeae has hundreds
MAX_LIST_NUMBERS = 64  # of one list: dimensions, strides, pads

WIRE_VARINT = 0
WIRE_FIXED64 = 1
WIRE_BYTES = 2
WIRE_FIXED32 = 5
FIXED_SIZES = {WIRE_FIXED64: 8, WIRE_FIXED32: 4}  # bytes

# Field numbers of onnx.proto
MODEL_METADATA = 14
ENTRY_KEY = 1
ENTRY_VALUE = 2


class Field(NamedTuple):
    """One field of a message."""

    number: int
    wire_type: int
    value: int | memoryview  # an int for WIRE_VARINT

    @property
    def data(self) -> memoryview:
        """The bytes of the value; ValueError for a number."""
        if isinstance(self.value, int):
            raise ValueError(f"field {self.number} is a number, not bytes")
        return self.value

    @property
    def text(self) -> str:
        """The value as UTF-8; ValueError if it is not."""
        return bytes(self.data).decode()

    @property
    def numbers(self) -> list[int]:
        """The values of a repeated integer field, packed or not; ValueError for a long list."""
        if isinstance(self.value, int):
            return [self.value]
        numbers: list[int] = []
        position = 0
        while position < len(self.value):
            number, position = _read_varint(self.value, position)
            numbers.append(number)
            if len(numbers) > MAX_LIST_NUMBERS:
                raise ValueError(f"a list of more than {MAX_LIST_NUMBERS} numbers")
        return numbers


def read_fields(data: memoryview) -> Iterator[Field]:
    """The fields of one message; ValueError or IndexError if it is damaged or has too many."""
    position = 0
    count = 0
    while position < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise ValueError(f"a message of more than {MAX_FIELDS} fields")
        key, position = _read_varint(data, position)
        number = key >> 3
        wire_type = key & 7
        if wire_type == WIRE_VARINT:
            value, position = _read_varint(data, position)
            yield Field(number, wire_type, value)
            continue
        if wire_type == WIRE_BYTES:
            size, position = _read_varint(data, position)
        elif wire_type in FIXED_SIZES:
            size = FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type}")
        end = position + size
        if end > len(data):
            raise ValueError("it ends in the middle of a field")
        yield Field(number, wire_type, data[position:end])
        position = end


def encode_field(number: int, wire_type: int, value: int | bytes | memoryview) -> bytes:
    """The bytes of one field; ``value`` is an int for WIRE_VARINT only."""
    key = _encode_varint(number << 3 | wire_type)
    if isinstance(value, int):
        return key + _encode_varint(value)
    size = _encode_varint(len(value)) if wire_type == WIRE_BYTES else b""
    return key + size + bytes(value)


def read_metadata(model: bytes, prefix: str) -> dict[str, str]:
    """The ``metadata_props`` of a model whose keys begin with ``prefix``.

    Raises ValueError or IndexError if ``model`` is no ONNX file.
    """
    metadata = {}
    for field in read_fields(memoryview(model)):
        if not _is_metadata(field):
            continue
        key, value = _read_entry(field.data)
        if key.startswith(prefix):
            metadata[key] = value.text if value else ""
    return metadata


def with_metadata(model: bytes, prefix: str, metadata: dict[str, str]) -> bytes:
    """``model`` with ``metadata`` in place of its entries whose keys begin with ``prefix``.

    Every other field keeps its value and its order.
    """
    encoded = [
        encode_field(*field)
        for field in read_fields(memoryview(model))
        if not (_is_metadata(field) and _read_entry(field.data)[0].startswith(prefix))
    ]
    for key, text in metadata.items():
        entry = encode_field(ENTRY_KEY, WIRE_BYTES, key.encode())
        entry += encode_field(ENTRY_VALUE, WIRE_BYTES, text.encode())
        encoded.append(encode_field(MODEL_METADATA, WIRE_BYTES, entry))
    return b"".join(encoded)


def _is_metadata(field: Field) -> bool:
    return field.number == MODEL_METADATA and field.wire_type == WIRE_BYTES


def _read_entry(data: memoryview) -> tuple[str, Field | None]:
    """The key of an entry, and the field of its value if it has one."""
    fields = {field.number: field for field in read_fields(data) if field.wire_type == WIRE_BYTES}
    key = fields[ENTRY_KEY].text if ENTRY_KEY in fields else ""
    return key, fields.get(ENTRY_VALUE)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number that begins at ``position``, and the position after it."""
    value = 0
    shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
        shift += 7
        if shift > 63:
            raise ValueError("a number longer than 64 bits")


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
