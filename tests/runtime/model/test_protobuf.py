"""ONNX files without the onnx package; here the onnx package and onnxruntime are the judges."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.onnx_checks import MAX_ATTRIBUTE, MAX_ELEMENTS, check_model
from edgeae.runtime.model.protobuf import read_metadata, with_metadata

fixed = settings(derandomize=True, deadline=None, max_examples=80)


def network(*nodes: onnx.NodeProto, **parts: Any) -> onnx.ModelProto:
    """x -> y through ``nodes``."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], **parts)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def relu() -> onnx.ModelProto:
    return network(helper.make_node("Relu", ["x"], ["y"]))


def metadata_of(model: bytes) -> dict[str, str]:
    """What onnxruntime reads."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


# --- metadata -----------------------------------------------------------------------------------

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


def test_replacing_keeps_the_bytes_of_an_artifact(trained: Any) -> None:
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
        found = read_metadata(start + data, "")
    except (ValueError, IndexError):
        return
    assert all(isinstance(text, str) for pair in found.items() for text in pair)


# --- judging ------------------------------------------------------------------------------------


def branch() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Relu", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 4])],
    )


def with_condition() -> onnx.ModelProto:
    flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch(), else_branch=branch())
    return network(node, initializer=[flag])


def with_loop() -> onnx.ModelProto:
    return network(helper.make_node("Loop", ["", "", "x"], ["y"], body=branch()))


def with_subgraph_in_a_known_operator() -> onnx.ModelProto:
    return network(helper.make_node("Relu", ["x"], ["y"], body=branch()))


def with_list_of_subgraphs() -> onnx.ModelProto:
    return network(helper.make_node("Relu", ["x"], ["y"], bodies=[branch()]))


def with_custom_domain() -> onnx.ModelProto:
    return network(helper.make_node("Relu", ["x"], ["y"], domain="com.example"))


def with_unknown_operator() -> onnx.ModelProto:
    return network(helper.make_node("Einsum", ["x", "x"], ["y"], equation="ni,nj->nj"))


def with_microsoft_operator() -> onnx.ModelProto:
    return network(helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft"))


def with_constant_of_shape() -> onnx.ModelProto:
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "shape")
    return network(helper.make_node("ConstantOfShape", ["shape"], ["y"]), initializer=[shape])


def with_external_data() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    return network(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[tensor])


def with_external_data_without_a_location() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    tensor.data_location = TensorProto.EXTERNAL
    return network(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[tensor])


def with_external_data_in_a_constant() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    return network(helper.make_node("Constant", [], ["y"], value=tensor))


def with_huge_tensor(*dims: int) -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    return network(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[tensor])


def with_huge_constant() -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 31])
    return network(helper.make_node("Constant", [], ["y"], value=tensor))


def with_an_input_left_out() -> onnx.ModelProto:
    return network(helper.make_node("Sum", ["x", ""], ["y"]))


def with_huge_stride() -> onnx.ModelProto:
    return network(helper.make_node("Conv", ["x", "x"], ["y"], strides=[1, MAX_ATTRIBUTE + 1]))


def with_huge_group() -> onnx.ModelProto:
    return network(helper.make_node("Conv", ["x", "x"], ["y"], group=1 << 40))


def with_function() -> onnx.ModelProto:
    model = relu()
    node = helper.make_node("Relu", ["a"], ["b"])
    function = helper.make_function(
        "", "Twice", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]
    )
    model.functions.append(function)
    return model


def with_sparse_initializer() -> onnx.ModelProto:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    sparse = helper.make_sparse_tensor(
        values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [1 << 40]
    )
    return network(helper.make_node("Add", ["x", "w"], ["y"]), sparse_initializer=[sparse])


def without_graph() -> onnx.ModelProto:
    model = relu()
    model.ClearField("graph")
    return model


OUTSIDE, CONTROL, HUGE = (
    "keeps data outside of the file",
    "control flow or sparse",
    "holds a tensor of",
)
HOSTILE: list[tuple[Callable[[], onnx.ModelProto], str]] = [
    (with_condition, CONTROL),
    (with_loop, CONTROL),
    (with_subgraph_in_a_known_operator, CONTROL),
    (with_list_of_subgraphs, CONTROL),
    (with_custom_domain, "operators of the domain 'com.example'"),
    (with_microsoft_operator, "operators of the domain 'com.microsoft'"),
    (with_unknown_operator, "the operator 'Einsum', which no edgeae network needs"),
    (with_constant_of_shape, "the operator 'ConstantOfShape'"),
    (with_external_data, OUTSIDE),
    (with_external_data_without_a_location, OUTSIDE),
    (with_external_data_in_a_constant, OUTSIDE),
    (lambda: with_huge_tensor(MAX_ELEMENTS + 1), HUGE),
    (lambda: with_huge_tensor(1 << 20, 1 << 20, 1 << 20), HUGE),
    (lambda: with_huge_tensor(-1), HUGE),
    (with_huge_constant, HUGE),
    (with_an_input_left_out, "leaves out an input of the operator 'Sum'"),
    (with_huge_stride, f"the attribute {MAX_ATTRIBUTE + 1}"),
    (with_huge_group, "the attribute 1099511627776"),
    (with_function, "defines functions of its own"),
    (with_sparse_initializer, "holds sparse tensors"),
    (without_graph, "holds no network"),
]


@pytest.mark.parametrize(("make", "expected"), HOSTILE)
def test_a_hostile_model_is_refused(make: Callable[[], onnx.ModelProto], expected: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        check_model(make().SerializeToString())
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_graphs_in_one_file_are_refused() -> None:
    with pytest.raises(ArtifactError, match="holds no network"):
        check_model(relu().SerializeToString() * 2)


@pytest.mark.parametrize("name", ["float_", "int8"])
def test_the_networks_of_edgeae_are_accepted(trained: Any, name: str) -> None:
    check_model(getattr(trained, name).read_bytes())


def test_negative_attributes_are_no_large_ones() -> None:
    check_model(network(helper.make_node("Concat", ["x", "x"], ["y"], axis=-1)).SerializeToString())
