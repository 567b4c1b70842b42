"""Finds the tensors of each layer in the float and the int8 network, and rounds single layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .rewriting.graph import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


@dataclass(frozen=True)
class Step:
    """The quantization of a tensor: value = (integer - zero point) * scale."""

    scale: Array  # () or (n_channels,)
    zero_point: Array  # () or (n_channels,)

    def dequantized(self, integers: Array) -> Array:
        """The values of integers (..., n_channels)."""
        return np.asarray((integers.astype(np.float32) - self.zero_point) * self.scale)


@dataclass(frozen=True)
class Weight:
    """The weight of a convolution, rounded to int8."""

    name: str  # in the float network
    value: Array


@dataclass(frozen=True)
class Tensor:
    """The output of a layer in the float network, and its integers in the int8 network."""

    name: str  # in the float network
    integers: str  # in the int8 network
    step: Step
    weight: Weight | None = None  # of the convolution whose output it is


def tensors_of(graph: GraphProto, quantized: GraphProto) -> dict[str, list[Tensor]]:
    """Layer -> its tensors, in order; `rewrite` splits some layers into several convolutions.

    graph: of the float network that became the ``quantized`` one.
    """
    from onnx import numpy_helper

    made_by = {name: node for node in quantized.node for name in node.output}
    quantizer_of = {
        node.input[0]: node for node in quantized.node if node.op_type == "QuantizeLinear"
    }
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.initializer}
    convolutions = [node for node in quantized.node if node.op_type == "Conv"]
    float_inputs = {node.name: list(node.input) for node in graph.node}

    def step_of(node: NodeProto) -> Step:
        zero_point = constants[node.input[2]] if len(node.input) > 2 else np.zeros((), np.int8)
        return Step(constants[node.input[1]], zero_point)

    def weight_of(conv: NodeProto) -> Weight:
        dequantize = made_by[conv.input[1]]
        channels_last = constants[dequantize.input[0]].T
        value = step_of(dequantize).dequantized(channels_last).T
        return Weight(float_inputs[conv.name][1], value)

    first = convolutions[0]
    dequantize = made_by[first.input[0]]
    network_input = Tensor(float_inputs[first.name][0], dequantize.input[0], step_of(dequantize))
    layers = {"input": [network_input]}
    for conv in convolutions:
        # A fused Relu leaves its output's name to the convolution.
        output = conv.output[0]
        quantizer = quantizer_of[output]
        # The quantizer renames a tensor that is an output of the network as well.
        name = output.removesuffix("_QuantizeLinear_Input")
        tensor = Tensor(name, quantizer.output[0], step_of(quantizer), weight_of(conv))
        layers.setdefault(_module_name(conv.name), []).append(tensor)
    return layers


def _module_name(node: str) -> str:
    """The torch module of a convolution: ``body.22`` for ``body.22.conv0``."""
    return node.split(".conv", maxsplit=1)[0]


def quantize_only(model: ModelProto, tensors: Sequence[Tensor]) -> ModelProto:
    """A copy of the float network that rounds these tensors and their weights as int8 does."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {tensor.weight.name: tensor.weight for tensor in tensors if tensor.weight}
    for parameter in copy.graph.initializer:
        if parameter.name in weights:
            value = weights[parameter.name].value
            parameter.CopyFrom(numpy_helper.from_array(value, parameter.name))
    for tensor in tensors:
        _insert_rounding(copy.graph, tensor)
    return copy


def _insert_rounding(graph: GraphProto, tensor: Tensor) -> None:
    """Insert Quantize and Dequantize between a tensor and all nodes that read it."""
    from onnx import helper, numpy_helper

    name = tensor.name
    integers = f"{name}.integers"
    rounded = f"{name}.rounded"
    scale = numpy_helper.from_array(tensor.step.scale, f"{name}.scale")
    zero_point = numpy_helper.from_array(tensor.step.zero_point, f"{name}.zero_point")
    graph.initializer.extend([scale, zero_point])
    step = [scale.name, zero_point.name]
    quantize = helper.make_node("QuantizeLinear", [name, *step], [integers], integers)
    dequantize = helper.make_node("DequantizeLinear", [integers, *step], [rounded], rounded)
    readers = [i for i, node in enumerate(graph.node) if name in node.input]
    for i in readers:
        inputs = [rounded if given == name else given for given in graph.node[i].input]
        graph.node[i].input[:] = inputs
    graph.node.insert(readers[0], dequantize)
    graph.node.insert(readers[0], quantize)
