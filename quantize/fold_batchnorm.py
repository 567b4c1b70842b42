"""Folds BatchNorm into the convolution before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto
from .graph import (
    add_constant,
    attributes_of,
    constants_to_initializers,
    drop_unused_initializers,
    only_consumer,
    parameter_of,
)


def fold(model: ModelProto) -> ModelProto:
    """A copy of `model` whose every BatchNormalization is folded into the convolution before it.

    The data type of the weights is kept. Raises ArtifactError, naming the layer, for what cannot be folded.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.name = node.name or node.output[0]
    constants_to_initializers(copy.graph)
    _fold_batchnorms(copy.graph)
    drop_unused_initializers(copy.graph)
    del copy.graph.value_info[:]
    return copy


def _fold_batchnorms(graph: GraphProto) -> None:
    for norm in [n for n in graph.node if n.op_type == "BatchNormalization"]:
        layer = next((n for n in graph.node if norm.input[0] in n.output), None)
        alone = layer is not None and only_consumer(graph, layer.output[0]) is not None
        if layer is None or layer.op_type not in ("Conv", "ConvTranspose") or not alone:
            raise ArtifactError(
                f"{norm.name}: a BatchNormalization must follow a convolution, and alone"
            )
        if attributes_of(norm).get("training_mode", 0):
            raise ArtifactError(
                f"{norm.name}: a BatchNormalization in training mode cannot be folded"
            )
        _fold(graph, layer, norm)


def _fold(graph: GraphProto, layer: NodeProto, norm: NodeProto) -> None:
    """Scale the weights and move the bias of `layer` so that it gives what `norm` makes of its output."""
    gamma, beta, mean, variance = (
        parameter_of(graph, norm, i).astype(np.float64) for i in range(1, 5)
    )
    scale = gamma / np.sqrt(variance + attributes_of(norm).get("epsilon", 1e-5))  # (C_out,)
    weight = parameter_of(graph, layer, 1)
    transposed = layer.op_type == "ConvTranspose"
    if attributes_of(layer).get("group", 1) != 1 and transposed:
        raise ArtifactError(f"{layer.name}: a ConvTranspose with groups cannot be folded")
    channels = [1] * weight.ndim
    channels[1 if transposed else 0] = -1
    folded = (weight * scale.reshape(channels)).astype(weight.dtype)
    bias = parameter_of(graph, layer, 2) if len(layer.input) > 2 else np.zeros_like(scale)
    moved = ((bias - mean) * scale + beta).astype(weight.dtype)
    name = layer.name
    layer.input[1:] = [
        add_constant(graph, f"{name}.w", folded),
        add_constant(graph, f"{name}.b", moved),
    ]
    layer.output[0] = norm.output[0]
    graph.node.remove(norm)
