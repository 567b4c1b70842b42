"""ONNX files read and written without the onnx package agree with onnx and onnxruntime."""

import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgeae.runtime.model.protobuf import (
    MAX_FIELDS,
    MAX_LIST_NUMBERS,
    encode_field,
    read_fields,
    read_metadata,
    with_metadata,
)
from tests.conftest import Trained

fixed = settings(derandomize=True, deadline=None, max_examples=80)


def relu() -> onnx.ModelProto:
    """y = max(0, x)."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def metadata_of(model: bytes) -> dict[str, str]:
    """What onnxruntime reads."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


ENTRIES = {
    "edgeae.format": "1",
    "edgeae.empty": "",
    "edgeae.text": 'é "\\ \n 漢',
    "edgeae.long": "0123456789" * 30000,
}


def test_written_metadata_is_what_onnxruntime_reads() -> None:
    model = with_metadata(relu().SerializeToString(), "edgeae.", ENTRIES)
    assert metadata_of(model) == ENTRIES
    assert read_metadata(model, "edgeae.") == ENTRIES


def test_metadata_written_by_onnx_is_read() -> None:
    model = relu()
    helper.set_model_props(model, ENTRIES)
    assert read_metadata(model.SerializeToString(), "edgeae.") == ENTRIES


def test_onnx_accepts_a_model_with_written_metadata() -> None:
    model = onnx.load_from_string(with_metadata(relu().SerializeToString(), "edgeae.", ENTRIES))
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == ENTRIES


def test_replacing_keeps_every_other_byte() -> None:
    original = relu().SerializeToString()
    model = with_metadata(original, "edgeae.", ENTRIES)
    assert model.startswith(original)
    assert with_metadata(model, "edgeae.", {}) == original


def test_replacing_keeps_the_bytes_of_an_artifact(trained: Trained) -> None:
    original = trained.int8.read_bytes()
    changed = onnx.load_from_string(with_metadata(original, "edgeae.", ENTRIES))
    expected = onnx.load_from_string(original)
    assert {entry.key: entry.value for entry in changed.metadata_props} == ENTRIES
    del changed.metadata_props[:], expected.metadata_props[:]
    assert changed.SerializeToString() == expected.SerializeToString()


def test_metadata_of_others_is_kept() -> None:
    model = relu()
    helper.set_model_props(model, {"author": "a", "edgeae.format": "0", "edgeaeformat": "b"})
    replaced = with_metadata(model.SerializeToString(), "edgeae.", {"edgeae.format": "1"})
    assert metadata_of(replaced) == {"author": "a", "edgeaeformat": "b", "edgeae.format": "1"}
    assert read_metadata(replaced, "edgeae.") == {"edgeae.format": "1"}


def test_keys_stay_unique_however_often_they_are_replaced() -> None:
    model = relu().SerializeToString()
    for text in "abc":
        model = with_metadata(model, "edgeae.", {"edgeae.x": text, "edgeae.y": text})
    entries = [(entry.key, entry.value) for entry in onnx.load_from_string(model).metadata_props]
    assert entries == [("edgeae.x", "c"), ("edgeae.y", "c")]


@fixed
@given(
    st.dictionaries(st.text(max_size=20).map("edgeae.".__add__), st.text(max_size=300), max_size=5)
)
def test_any_text_survives(entries: dict[str, str]) -> None:
    model = with_metadata(relu().SerializeToString(), "edgeae.", entries)
    assert read_metadata(model, "edgeae.") == entries
    assert {
        entry.key: entry.value for entry in onnx.load_from_string(model).metadata_props
    } == entries


def test_entries_with_the_value_before_the_key_are_read() -> None:
    entry = b"\x12\x01v" + b"\x0a\x08edgeae.k"
    assert read_metadata(b"\x72" + bytes([len(entry)]) + entry, "edgeae.") == {"edgeae.k": "v"}


@fixed
@given(
    data=st.binary(max_size=60),
    start=st.sampled_from([b"", b"\x70\x05", b"\x72\x06", b"\x72\x02\x0a\x00"]),
)
def test_what_is_no_onnx_file_is_a_value_or_index_error(data: bytes, start: bytes) -> None:
    try:
        metadata = read_metadata(start + data, "")
    except (ValueError, IndexError):
        return
    assert all(isinstance(text, str) for pair in metadata.items() for text in pair)


@pytest.mark.parametrize("value", [0, 127, 128, 300, (1 << 64) - 1])
def test_an_encoded_number_is_read_back(value: int) -> None:
    fields = list(read_fields(memoryview(encode_field(3, 0, value))))
    assert fields == [(3, 0, value)]
    assert fields[0].numbers == [value]


def test_a_packed_list_of_numbers_is_read() -> None:
    packed = b"\x01\xac\x02\x03"
    field = next(read_fields(memoryview(encode_field(8, 2, packed))))
    assert field.numbers == [1, 300, 3]
    assert bytes(field.data) == packed


def test_a_text_is_read_as_utf_8() -> None:
    assert next(read_fields(memoryview(encode_field(4, 2, "é".encode())))).text == "é"


def test_a_number_has_no_bytes() -> None:
    with pytest.raises(ValueError, match="field 4 is a number, not bytes"):
        _ = next(read_fields(memoryview(encode_field(4, 0, 5)))).data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0b", "wire type 3"),
        (b"\x0a\x05abc", "ends in the middle of a field"),
        (b"\x08" + b"\xff" * 10, "longer than 64 bits"),
        (b"\x08\x01" * (MAX_FIELDS + 1), f"more than {MAX_FIELDS} fields"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_fields(memoryview(data)))


def test_a_long_list_of_numbers_is_refused() -> None:
    field = next(read_fields(memoryview(encode_field(8, 2, bytes(MAX_LIST_NUMBERS + 1)))))
    with pytest.raises(ValueError, match=f"more than {MAX_LIST_NUMBERS} numbers"):
        _ = field.numbers
