"""Models that no edgeae network can be are refused; the onnx package makes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.onnx_checks import MAX_ATTRIBUTE, MAX_TENSOR_ELEMENTS, check_model
from edgeae.runtime.model.protobuf import encode_field
from tests.conftest import Trained


def network(*nodes: onnx.NodeProto, **parts: Any) -> onnx.ModelProto:
    """x -> y through ``nodes``."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], **parts)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def relu() -> onnx.ModelProto:
    return network(helper.make_node("Relu", ["x"], ["y"]))


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


OUTSIDE = "keeps data outside of the file"
CONTROL = "control flow or sparse"
HUGE = "holds a tensor of"
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
    (lambda: with_huge_tensor(MAX_TENSOR_ELEMENTS + 1), HUGE),
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
def test_the_networks_of_edgeae_are_accepted(trained: Trained, name: str) -> None:
    check_model(getattr(trained, name).read_bytes())


def test_negative_attributes_are_no_large_ones() -> None:
    check_model(network(helper.make_node("Concat", ["x", "x"], ["y"], axis=-1)).SerializeToString())


@pytest.mark.parametrize("field", [encode_field(4, 0, 1 << 40), encode_field(1, 0, 7)])
def test_a_number_in_place_of_a_text_is_damage(field: bytes) -> None:
    graph = encode_field(1, 2, field)
    with pytest.raises(ValueError, match=r"field \d is a number, not bytes"):
        check_model(encode_field(7, 2, graph))


def test_a_graph_that_is_a_number_is_no_network() -> None:
    with pytest.raises(ArtifactError, match="holds no network"):
        check_model(encode_field(7, 0, 1))
