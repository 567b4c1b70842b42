import numpy as np
import onnx
import pytest

from edgeae.quantize.rewriting.graph import (
    add_constant,
    attributes_of,
    constant_of,
    constants_to_initializers,
    drop_unused_initializers,
    only_consumer,
    parameter_of,
    shapes_of,
    sort_nodes,
    substitute,
)
from edgeae.runtime.errors import ArtifactError

node = onnx.helper.make_node


def model(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """From `x` (n, 2) to `y`."""
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        list(nodes),
        "graph",
        [info("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [info("y", onnx.TensorProto.FLOAT, None)],
        [
            onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in constants.items()
        ],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


def names(graph: onnx.GraphProto) -> list[str]:
    return [each.output[0] for each in graph.node]


def test_shapes_have_none_for_a_free_axis() -> None:
    transposed = model(node("Transpose", ["x"], ["t"], perm=[1, 0]), node("Relu", ["t"], ["y"]))
    assert shapes_of(transposed) == {"x": [None, 2], "t": [2, None]}


def test_constants_are_added_and_read_by_name_and_by_input() -> None:
    graph = model(node("Mul", ["x", "w"], ["y"], "layer")).graph
    value = np.array([1, 2], np.float32)
    assert add_constant(graph, "w", value) == "w"
    np.testing.assert_array_equal(constant_of(graph, "w"), value)
    np.testing.assert_array_equal(parameter_of(graph, graph.node[0], 1), value)
    with pytest.raises(ArtifactError, match="layer: its parameter 'x' must be a constant"):
        parameter_of(graph, graph.node[0], 0)


def test_attributes_are_plain_values() -> None:
    assert attributes_of(node("Concat", ["x"], ["y"], axis=1)) == {"axis": 1}


def test_the_only_consumer_is_none_for_several_and_for_an_output() -> None:
    graph = model(
        node("Relu", ["x"], ["a"]), node("Neg", ["a"], ["b"]), node("Add", ["b", "b"], ["y"])
    ).graph
    only = only_consumer(graph, "a")
    assert only is not None and only.op_type == "Neg"
    graph.node.append(node("Abs", ["a"], ["c"]))
    assert only_consumer(graph, "a") is None
    assert only_consumer(graph, "y") is None
    assert only_consumer(graph, "nothing") is None


def test_a_node_is_replaced_in_its_place() -> None:
    graph = model(
        node("Relu", ["x"], ["a"]), node("Neg", ["a"], ["b"]), node("Abs", ["b"], ["y"])
    ).graph
    substitute(graph, graph.node[1], [node("Exp", ["a"], ["e"]), node("Log", ["e"], ["b"])])
    assert names(graph) == ["a", "e", "b", "y"]


def test_nodes_are_sorted_and_those_without_use_removed() -> None:
    graph = model(
        node("Abs", ["b"], ["y"]),
        node("Exp", ["a"], ["unused"]),
        node("Neg", ["a"], ["b"]),
        node("Relu", ["x"], ["a"]),
    ).graph
    sort_nodes(graph)
    assert names(graph) == ["a", "b", "y"]


def test_constant_nodes_and_shared_parameters_become_initializers() -> None:
    value = onnx.numpy_helper.from_array(np.array([3, 4], np.float32))
    graph = model(
        node("Constant", [], ["k"], value=value),
        node("Identity", ["w"], ["shared"]),
        node("Identity", ["shared"], ["twice"]),
        node("Sum", ["x", "k", "twice"], ["y"]),
        w=np.array([1, 2]),
    ).graph
    constants_to_initializers(graph)
    assert names(graph) == ["y"]
    np.testing.assert_array_equal(constant_of(graph, "k"), [3, 4])
    np.testing.assert_array_equal(constant_of(graph, "twice"), [1, 2])


def test_an_identity_of_a_variable_stays() -> None:
    graph = model(node("Identity", ["x"], ["y"])).graph
    constants_to_initializers(graph)
    assert names(graph) == ["y"]


def test_initializers_that_nothing_reads_are_dropped() -> None:
    graph = model(node("Mul", ["x", "w"], ["y"]), w=np.ones(2), unused=np.ones(2)).graph
    drop_unused_initializers(graph)
    assert [tensor.name for tensor in graph.initializer] == ["w"]
