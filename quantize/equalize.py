"""Let every channel use all of the 8 bits, without changing what the network computes.

A tensor has one scale for all of its channels, so a channel that moves little is left with few of
the 256 steps. Between two layers, linear or with a Relu, a channel can be scaled freely: what one
layer divides by, the next multiplies by. Behind the last layer there is no next one: there a Mul
gives each band its size back, after the integers have become numbers again.

Halves the noise of `dense`, and takes a third or a fourth off that of `cnn2d` and `edge`, at the same headroom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .ranges import LAYERS, Ranges

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

SHARE = 0.5  # exponent of the equalisation: half of the way, so that narrow channels keep more headroom than wide ones
LEAST = 1e-3  # width of a channel that hardly moves, against the widest of its layer
UNIT = 1 / 64  # standard deviations: the least unit that a step of the output is made of


def equalize(model: ModelProto, ranges: Ranges, headroom: float) -> ModelProto:
    """The same network with channels that move about equally far.

    model: as `fold` leaves it. ranges: those of its tensors, which `headroom` will widen.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for layer in [node for node in copy.graph.node if node.op_type in LAYERS]:
        tensor, following = layer.output[0], _consumers(copy.graph, layer.output[0])
        if [node.op_type for node in following] == ["Relu"]:
            tensor, following = (
                following[0].output[0],
                _consumers(copy.graph, following[0].output[0]),
            )
        if len(following) == 1 and following[0].op_type in LAYERS:
            width = _width(ranges[tensor])
            factor = np.maximum(width / max(width.max(), 1e-12), LEAST) ** SHARE
            _scale_outputs(copy.graph, layer, 1 / factor)
            _scale(
                copy.graph,
                following[0].input[1],
                factor,
                1 if following[0].op_type == "Conv" else 0,
            )
    _even_bands(copy.graph, ranges, headroom)
    return copy


def _even_bands(graph: GraphProto, ranges: Ranges, headroom: float) -> None:
    """Scale the bands that the last layer gives, and put a Mul before the input is subtracted.

    Its factors are whole multiples of their unit, a fraction of the widest step: every band counts in
    whole units. A network whose last layer has no channel a band stays as it is.
    """
    from onnx import helper, numpy_helper

    made_by = {name: node for node in graph.node for name in node.output}
    residual = made_by[graph.output[0].name]
    last = made_by[residual.input[0]]
    while last.op_type == "Transpose":
        last = made_by[last.input[0]]
    n_mels = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    if last.op_type not in LAYERS or ranges[last.output[0]].shape[1] != n_mels:
        return
    width = _width(ranges[last.output[0]])
    units = int(width.max() * headroom / 255 / UNIT)
    if units < 2:
        return
    factor = np.maximum(np.ceil(units * (width / width.max()) ** SHARE), 1) / units
    _scale_outputs(graph, last, 1 / factor)
    graph.initializer.append(numpy_helper.from_array(factor.astype(np.float32), "bands.factor"))
    multiply = helper.make_node("Mul", [residual.input[0], "bands.factor"], ["bands"], "bands")
    graph.node.insert(list(graph.node).index(residual), multiply)
    residual.input[0] = "bands"


def _width(extremes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(channels,) what the 8 bits of a channel would span; they always hold zero."""
    return np.asarray(np.maximum(extremes[1], 0) - np.minimum(extremes[0], 0))


def _consumers(graph: GraphProto, tensor: str) -> list[NodeProto]:
    return [node for node in graph.node if tensor in node.input]


def _scale_outputs(graph: GraphProto, layer: NodeProto, factor: NDArray[np.float64]) -> None:
    _scale(graph, layer.input[1], factor, 0 if layer.op_type == "Conv" else 1)
    for bias in layer.input[2:]:
        _scale(graph, bias, factor, 0)


def _scale(graph: GraphProto, name: str, factor: NDArray[np.float64], axis: int) -> None:
    """Multiply an initializer by (n,) along an axis."""
    from onnx import numpy_helper

    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    value = numpy_helper.to_array(tensor)
    along = factor.reshape([-1 if i == axis else 1 for i in range(value.ndim)])
    tensor.CopyFrom(numpy_helper.from_array((value * along).astype(value.dtype), name))
