"""Reads and changes ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Array = NDArray[Any]
# Operations that only move elements.
MOVES = ("Transpose", "Reshape", "Slice", "Squeeze", "Unsqueeze", "Concat")


def shapes_of(model: ModelProto) -> dict[str, list[int | None]]:
    """The length of each axis of each tensor whose shape is known; None for a free axis."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, list[int | None]] = {}
    for value in [*graph.input, *graph.value_info]:
        axes = value.type.tensor_type.shape.dim
        shapes[value.name] = [
            axis.dim_value if axis.HasField("dim_value") else None for axis in axes
        ]
    return shapes


def constant_of(graph: GraphProto, name: str) -> Array:
    """The value of an initializer; StopIteration if there is none of that name."""
    from onnx import numpy_helper

    return numpy_helper.to_array(
        next(tensor for tensor in graph.initializer if tensor.name == name)
    )


def parameter_of(graph: GraphProto, node: NodeProto, i: int) -> Array:
    """The value of input ``i`` of a node; ArtifactError, naming the node, if it is no constant."""
    from onnx import numpy_helper

    tensor = next((t for t in graph.initializer if t.name == node.input[i]), None)
    if tensor is None:
        raise ArtifactError(
            f"{node.name}: its parameter {node.input[i]!r} must be a constant of the file"
        )
    return numpy_helper.to_array(tensor)


def add_constant(graph: GraphProto, name: str, value: Array) -> str:
    """Append an initializer; returns its name."""
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node: integers, floats, bytes, or lists of them."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def only_consumer(graph: GraphProto, tensor: str) -> NodeProto | None:
    """The node that reads a tensor; None if several do, or none, or if it is an output as well."""
    consumers = [node for node in graph.node if tensor in node.input]
    is_output = any(output.name == tensor for output in graph.output)
    return consumers[0] if len(consumers) == 1 and not is_output else None


def substitute(graph: GraphProto, node: NodeProto, nodes: Sequence[NodeProto]) -> None:
    """Replace ``node`` by ``nodes`` in place, so that the graph stays in topological order."""
    before = list(graph.node)
    position = before.index(node)
    del graph.node[:]
    graph.node.extend([*before[:position], *nodes, *before[position + 1 :]])


def sort_nodes(graph: GraphProto) -> None:
    """Put the nodes in topological order, and remove those that no output needs."""
    made_by = {name: node for node in graph.node for name in node.output}
    ordered: dict[str, NodeProto] = {}

    def visit(tensor: str) -> None:
        node = made_by.get(tensor)
        if node is None or node.output[0] in ordered:
            return
        for name in node.input:
            visit(name)
        ordered[node.output[0]] = node

    for output in graph.output:
        visit(output.name)
    nodes = list(ordered.values())
    del graph.node[:]
    graph.node.extend(nodes)


def constants_to_initializers(graph: GraphProto) -> None:
    """Turn Constant nodes, and Identity nodes of initializers, into initializers.

    torch writes an Identity for a parameter that several layers share.
    """
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            value = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in constants:
            value = numpy_helper.to_array(constants[node.input[0]])
        else:
            continue
        name = node.output[0]
        constants[name] = graph.initializer.add()
        constants[name].CopyFrom(numpy_helper.from_array(value, name))
        graph.node.remove(node)


def drop_unused_initializers(graph: GraphProto) -> None:
    """Remove the initializers that no node reads and that are no output."""
    used = {name for node in graph.node for name in node.input}
    used |= {output.name for output in graph.output}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
