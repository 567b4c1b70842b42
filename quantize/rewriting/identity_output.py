"""Gives a network its third output: the identity embedding of each patch.

    encoder -> encoded -.-> ... decoder ...
                        |
                        +-> Transpose -> sum and maximum over time -> MatMul -> identity (n, size)

In an int8 network the encoder gives unsigned 8-bit numbers. Their sums and maxima are whole
numbers, and so are the weights, which have 8 bits, or less where a sum of products could exceed
2^24. Up to there float32 is exact in any order. So the embedding has the same bits on every
processor; the sizes of the units are multiplied last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.model.network import IDENTITY
from edgeae.runtime.system.arrays import Float32, Float64

from .graph import add_constant, constant_of, sort_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

ENCODED = "encoded"  # the output of a network whose encoder has an identity embedding
MAX_EXACT = 2.0**24  # up to here float32 holds every whole number
MAX_LEVEL = 255  # of an unsigned 8-bit number
MAX_WEIGHT = 127  # of a signed 8-bit number


def with_identity(model: ModelProto, matrix: Float32) -> ModelProto:
    """A copy of a network that gives the identity embedding in place of `ENCODED`.

    matrix: (2 * n_channels, size), from the mean and the maximum over time to the embedding, see
        `edgeae.train.architectures.Identity.matrix`.
    """
    import onnx
    from onnx import TensorProto, helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    encoded = next(output for output in graph.output if output.name == ENCODED)
    n_steps = encoded.type.tensor_type.shape.dim[2].dim_value
    weights = matrix.astype(np.float64)
    weights[: len(weights) // 2] /= n_steps  # of the sum, in place of the mean
    graph.output.remove(encoded)
    made_by = {name: node for node in graph.node for name in node.output}
    if made_by[ENCODED].op_type == "DequantizeLinear":
        scale, integers = _integers(graph)
        _add_pooling(graph, integers, is_integer=True)
        _add_integer_product(graph, weights, scale, n_steps)
    else:
        _add_pooling(graph, ENCODED, is_integer=False)
        add_constant(graph, "identity.weights", weights.astype(np.float32))
        _add_node(graph, "MatMul", ["identity.pooled", "identity.weights"], IDENTITY)
    shape = ["n_patches", weights.shape[1]]
    graph.output.append(helper.make_tensor_value_info(IDENTITY, TensorProto.FLOAT, shape))
    sort_nodes(graph)
    return copy


def _integers(graph: GraphProto) -> tuple[float, str]:
    """The size of a step of the encoder's 8-bit output, and the name of that tensor."""
    dequantize = next(node for node in graph.node if ENCODED in node.output)
    if len(dequantize.input) > 2 and constant_of(graph, dequantize.input[2]).any():
        raise ArtifactError("the encoder must end with a Relu: its 8-bit output begins at zero")
    return constant_of(graph, dequantize.input[1]).item(), dequantize.input[0]


def _add_pooling(graph: GraphProto, tensor: str, *, is_integer: bool) -> None:
    """Append ``identity.pooled`` (n_patches, 2 * n_channels), sum and maximum over time.

    The Transpose cancels against one of onnxruntime after its channels-last convolution.
    """
    from onnx import TensorProto, helper

    transpose = helper.make_node("Transpose", [tensor], ["identity.moved"], perm=[0, 2, 1])
    graph.node.append(transpose)
    values = "identity.moved"
    if is_integer:
        cast = helper.make_node("Cast", [values], ["identity.values"], to=TensorProto.FLOAT)
        graph.node.append(cast)
        values = "identity.values"
    add_constant(graph, "identity.axis", np.array([1], np.int64))
    add_sum = helper.make_node("ReduceSum", [values, "identity.axis"], ["identity.sum"], keepdims=0)
    add_maximum = helper.make_node(
        "ReduceMax", [values], ["identity.maximum"], axes=[1], keepdims=0
    )
    pooled = ["identity.sum", "identity.maximum"]
    add_pooled = helper.make_node("Concat", pooled, ["identity.pooled"], axis=1)
    graph.node.extend([add_sum, add_maximum, add_pooled])


def _add_integer_product(graph: GraphProto, weights: Float64, scale: float, n_steps: int) -> None:
    """Append the product of the pooled integers and the weights in whole units."""
    from onnx import TensorProto, helper

    units = weight_units(weights, n_steps)
    whole = np.round(weights / units).astype(np.int8)
    add_constant(graph, "identity.whole", whole)
    cast = helper.make_node("Cast", ["identity.whole"], ["identity.weights"], to=TensorProto.FLOAT)
    graph.node.append(cast)
    _add_node(graph, "MatMul", ["identity.pooled", "identity.weights"], "identity.counts")
    add_constant(graph, "identity.units", (units * scale).astype(np.float32))
    _add_node(graph, "Mul", ["identity.counts", "identity.units"], IDENTITY)


def weight_units(weights: Float64, n_steps: int) -> NDArray[np.float64]:
    """(size,) the smallest unit of each column of weights that keeps all sums exact.

    weights: (2 * n_channels, size), of the sums over ``n_steps`` and of the maxima.
    """
    n_channels = len(weights) // 2
    max_pooled = np.repeat([MAX_LEVEL * n_steps, MAX_LEVEL], n_channels)
    magnitude = np.abs(weights)
    # Rounding makes each weight larger by half a unit at most.
    units = max_pooled @ magnitude / (MAX_EXACT - max_pooled.sum() / 2)
    return np.asarray(np.maximum(units, magnitude.max(axis=0) / MAX_WEIGHT) + 1e-30)


def _add_node(graph: GraphProto, op: str, inputs: list[str], output: str) -> None:
    from onnx import helper

    graph.node.append(helper.make_node(op, inputs, [output], output))
