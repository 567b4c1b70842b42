"""Reading and changing an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Array = NDArray[Any]


def shapes_of(model: ModelProto) -> dict[str, list[int | None]]:
    """The length of each axis of each tensor as far as it is known, None for a free one."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: [
            d.dim_value if d.HasField("dim_value") else None
            for d in value.type.tensor_type.shape.dim
        ]
        for value in [*graph.input, *graph.value_info]
    }


def parameter_of(graph: GraphProto, node: NodeProto, i: int) -> Array:
    from onnx import numpy_helper

    tensor = next((t for t in graph.initializer if t.name == node.input[i]), None)
    if tensor is None:
        raise ArtifactError(
            f"{node.name}: its parameter {node.input[i]!r} must be a constant of the file"
        )
    return numpy_helper.to_array(tensor)


def add_constant(graph: GraphProto, name: str, value: Array) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def attributes_of(node: NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def only_consumer(graph: GraphProto, tensor: str) -> NodeProto | None:
    consumers = [node for node in graph.node if tensor in node.input]
    is_output = any(output.name == tensor for output in graph.output)
    return consumers[0] if len(consumers) == 1 and not is_output else None


def substitute(graph: GraphProto, node: NodeProto, nodes: Sequence[NodeProto]) -> None:
    """Put `nodes` where `node` stands, so that the graph stays in topological order."""
    before = list(graph.node)
    at = before.index(node)
    del graph.node[:]
    graph.node.extend([*before[:at], *nodes, *before[at + 1 :]])


def constants_to_initializers(graph: GraphProto) -> None:
    """Turn Constant nodes, and Identity nodes of initializers (shared parameters), into initializers."""
    from onnx import numpy_helper

    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            value = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in known:
            value = numpy_helper.to_array(known[node.input[0]])
        else:
            continue
        known[node.output[0]] = graph.initializer.add()
        known[node.output[0]].CopyFrom(numpy_helper.from_array(value, node.output[0]))
        graph.node.remove(node)


def drop_unused_initializers(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {
        output.name for output in graph.output
    }
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
