"""Makes the residual of an int8 network exact: whole numbers of one small unit.

    input -(x - mean) / std-> Round -> z ---------------------------> Sub -> residual, statistics
                                       |                               |
                                       +-> Quantize -> integer -> Dequantize -> Mul

z is rounded to a whole number of units, and a quantization step of each band of the output is a
whole number of units. So the residual and its sums are whole numbers, which float32 represents
exactly (`edgeae.quantize.statistics_output`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.system.arrays import Float32

from .equalize import MIN_UNIT
from .rewriting.graph import Array, constant_of
from .rewriting.levels import LevelOutput, level_output, quantize_z, use_table
from .rewriting.relative_input import standardised_input, use_whole_numbers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

MAX_UNITS = 1023  # in the widest quantization step of the output


def use_whole_units(graph: GraphProto) -> float:
    """Rewrite z and the network's output in whole units; return the unit in standard deviations.

    graph: a quantized network whose output is its reconstruction minus (input - mean) / std.
    """
    from onnx import helper

    made_by = {name: node for node in graph.node for name in node.output}
    residual = made_by[graph.output[0].name]
    end = level_output(graph)
    if end is not None:
        return _use_table(graph, end)
    multiply = made_by[residual.input[0]]
    z = standardised_input(graph, residual.input[1])
    divide = made_by[z]
    # Without a Mul, all bands have the same step.
    if multiply.op_type != "Mul":
        multiply = helper.make_node("Mul", [multiply.output[0], ""], ["bands"], "bands")
    dequantize = made_by[multiply.input[0]]
    subtract = made_by[divide.input[0]]
    types = [dequantize.op_type, divide.op_type, subtract.op_type]
    if types != ["DequantizeLinear", "Div", "Sub"]:
        raise ArtifactError("the network must give its reconstruction minus (input - mean) / std")

    step = constant_of(graph, dequantize.input[1]).item()
    steps = np.array(1)
    if multiply.input[1]:
        steps = _as_whole_numbers(constant_of(graph, multiply.input[1]))
    steps = steps * max(int(step / steps.max() / MIN_UNIT), 1)  # units of each band's step
    unit = step / steps.max()
    _round_input(graph, subtract, divide, z, unit)
    dequantize.input[1] = _add(graph, "one", 1)
    multiply.input[1] = _add(graph, "steps", steps)
    if residual.input[0] != multiply.output[0]:
        residual.input[0] = multiply.output[0]
        graph.node.insert(list(graph.node).index(residual), multiply)
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == residual.input[1]:
            node.input[1] = _add(graph, "of_input", constant_of(graph, node.input[1]) / unit)
    use_whole_numbers(graph)
    return float(unit)


def _use_table(graph: GraphProto, end: LevelOutput) -> float:
    """`use_whole_units` of a network that ends in a Sigmoid."""
    made_by = {name: node for node in graph.node for name in node.output}
    residual = made_by[graph.output[0].name]
    divide = made_by[residual.input[1]]
    subtract = made_by[divide.input[0]]
    if [divide.op_type, subtract.op_type] != ["Div", "Sub"]:
        raise ArtifactError("the network must give its reconstruction minus (input - mean) / std")
    z = residual.input[1]
    _round_input(graph, subtract, divide, z, MIN_UNIT)
    quantize_z(graph, z, MIN_UNIT)
    use_table(graph, end, MIN_UNIT)
    return MIN_UNIT


def input_range(quantized: ModelProto) -> tuple[Float32, Float32]:
    """(n_mels,) dB: the lowest and the highest level that the 8 bits of the input represent.

    Of a network that reads z without level or bands of each patch: at their mean in training.
    """
    graph = quantized.graph
    quantize = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    scale, zero = (constant_of(graph, name).item() for name in quantize.input[1:])
    factor = constant_of(graph, "units.factor")
    shift = constant_of(graph, "units.shift")
    low, high = (((level - zero) * scale - shift) / factor for level in (0, 255))
    return low.astype(np.float32), high.astype(np.float32)


def _round_input(
    graph: GraphProto, subtract: NodeProto, divide: NodeProto, z: str, unit: float
) -> None:
    """Replace (input - mean) / std by round(input * factor + shift), in units, under the name z."""
    from onnx import helper

    mean, std = (
        constant_of(graph, node.input[1]).astype(np.float64) for node in (subtract, divide)
    )
    factor = _add(graph, "factor", 1 / (std * unit))
    shift = _add(graph, "shift", -mean / (std * unit))
    subtract.CopyFrom(helper.make_node("Mul", [subtract.input[0], factor], ["units.scaled"]))
    divide.CopyFrom(helper.make_node("Add", ["units.scaled", shift], ["units.shifted"]))
    rounded = helper.make_node("Round", ["units.shifted"], [z])
    graph.node.insert(list(graph.node).index(divide) + 1, rounded)


def _as_whole_numbers(factors: Array) -> Array:
    """Factors, the greatest of which is 1, as whole multiples of the largest common unit."""
    units = next(
        n
        for n in range(1, MAX_UNITS + 1)
        if np.allclose(factors * n, np.round(factors * n), atol=1e-3)
    )
    return np.asarray(np.round(factors * units).astype(np.int64))


def _add(graph: GraphProto, name: str, value: ArrayLike) -> str:
    """Append a float32 constant ``units.NAME`` and return its name."""
    from onnx import numpy_helper

    full_name = f"units.{name}"
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), full_name))
    return full_name
