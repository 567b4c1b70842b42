"""Folds zeros that stand around the input of a convolution into the padding of the convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeae.runtime.errors import ArtifactError

from .graph import Array, attributes_of, only_consumer, sort_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def fold_zeros(graph: GraphProto) -> None:
    """Remove each Pad in place.

    torch writes a Pad where the two sides of an image get different numbers of zeros. Raises
    ArtifactError, naming it, for one that does not add zeros to the input of a convolution.
    """
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        conv = only_consumer(graph, pad.output[0])
        if conv is None or conv.op_type != "Conv" or not _adds_zeros(graph, pad):
            raise ArtifactError(f"{pad.name}: only zeros before a convolution can be added")
        zeros = [int(n) for n in _constant_value(graph, pad.input[1])]
        rank = len(zeros) // 2
        if any(zeros[:2]) or any(zeros[rank : rank + 2]):
            raise ArtifactError(f"{pad.name}: zeros can only be added along the axes of the image")
        spatial = zeros[2:rank] + zeros[rank + 2 :]
        _add_to_padding(conv, spatial)
        conv.input[0] = pad.input[0]
        graph.node.remove(pad)
        sort_nodes(graph)  # without the nodes that computed the padding


def _adds_zeros(graph: GraphProto, pad: NodeProto) -> bool:
    if attributes_of(pad).get("mode", b"constant") != b"constant":
        return False
    has_value = len(pad.input) > 2 and pad.input[2]
    return not has_value or not _constant_value(graph, pad.input[2]).any()


def _constant_value(graph: GraphProto, tensor: str) -> Array:
    """The value of a tensor that follows from constants: torch computes the padding in the graph.

    Raises ArtifactError for a tensor that depends on the input.
    """
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    made_by = {name: node for node in graph.node for name in node.output}
    inputs = {value.name for value in graph.input}
    nodes: dict[str, NodeProto] = {}

    def visit(name: str) -> None:
        if name in inputs:
            raise ArtifactError(f"{tensor}: the number of zeros depends on the input")
        node = made_by.get(name)
        if node is None or node.output[0] in nodes:
            return
        for each in node.input:
            visit(each)
        nodes[node.output[0]] = node

    visit(tensor)
    output = helper.make_tensor_value_info(tensor, TensorProto.UNDEFINED, None)
    part = helper.make_graph(list(nodes.values()), "constant", [], [output], graph.initializer)
    values: Any = ReferenceEvaluator(helper.make_model(part)).run(None, {})
    return np.asarray(values[0])


def _add_to_padding(conv: NodeProto, zeros: list[int]) -> None:
    """Add zeros (all starts, then all ends) to the padding of a convolution."""
    from onnx import helper

    padding = attributes_of(conv).get("pads", [0] * len(zeros))
    others = [attribute for attribute in conv.attribute if attribute.name != "pads"]
    total = [a + b for a, b in zip(padding, zeros, strict=True)]
    del conv.attribute[:]
    conv.attribute.extend([*others, helper.make_attribute("pads", total)])
