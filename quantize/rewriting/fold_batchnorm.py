"""Folds every BatchNormalization into the convolution before it.

    gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta = conv'(x)      with, per channel,
    scale = gamma / sqrt(variance + epsilon), weight' = weight * scale,
    bias' = (bias - mean) * scale + beta

Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError

from .graph import (
    add_constant,
    attributes_of,
    constants_to_initializers,
    drop_unused_initializers,
    only_consumer,
    parameter_of,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

DEFAULT_EPSILON = 1e-5  # of a BatchNormalization in the ONNX standard


def fold(model: ModelProto) -> ModelProto:
    """A copy of ``model`` without BatchNormalization that computes the same.

    The data type of the weights is kept. Raises ArtifactError, naming the layer, for a
    BatchNormalization that cannot be folded.
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
        is_convolution = layer is not None and layer.op_type in ("Conv", "ConvTranspose")
        if layer is None or not is_convolution or only_consumer(graph, layer.output[0]) is None:
            raise ArtifactError(
                f"{norm.name}: a BatchNormalization must follow a convolution, and alone"
            )
        if attributes_of(norm).get("training_mode", 0):
            raise ArtifactError(
                f"{norm.name}: a BatchNormalization in training mode cannot be folded"
            )
        _fold(graph, layer, norm)


def _fold(graph: GraphProto, layer: NodeProto, norm: NodeProto) -> None:
    """Change weight and bias of ``layer`` so that its output is that of ``norm``."""
    gamma, beta, mean, variance = (
        parameter_of(graph, norm, i).astype(np.float64) for i in range(1, 5)
    )
    epsilon = attributes_of(norm).get("epsilon", DEFAULT_EPSILON)
    scale = gamma / np.sqrt(variance + epsilon)  # (C_out,)
    weight = parameter_of(graph, layer, 1)
    transposed = layer.op_type == "ConvTranspose"
    if attributes_of(layer).get("group", 1) != 1 and transposed:
        raise ArtifactError(f"{layer.name}: a ConvTranspose with groups cannot be folded")
    shape = [1] * weight.ndim
    shape[1 if transposed else 0] = -1  # along the output channels
    bias = parameter_of(graph, layer, 2) if len(layer.input) > 2 else np.zeros_like(scale)
    new_weight = (weight * scale.reshape(shape)).astype(weight.dtype)
    new_bias = ((bias - mean) * scale + beta).astype(weight.dtype)
    layer.input[1:] = [
        add_constant(graph, f"{layer.name}.w", new_weight),
        add_constant(graph, f"{layer.name}.b", new_bias),
    ]
    layer.output[0] = norm.output[0]
    graph.node.remove(norm)
