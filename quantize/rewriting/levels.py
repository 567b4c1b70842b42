"""Networks that read levels from 0 to 1 and end in a Sigmoid, in whole units.

    float    z --Mul, Add, Clip--> 0..1 --network--> logits --Sigmoid, Sub, Div--> reconstruction
    int8     z --Quantize--------> 0..255 -network-> 0..255 --Gather from a table--> reconstruction

Between z and integers, and between integers and the reconstruction, floats differ in their last
digits from processor to processor. So the scaling becomes part of the quantization of z: level 0 is
the integer 0, z = 0 is a whole number, and the ends of the 8 bits clip. And the exporter computes
what each of the 256 logits means, in the whole units of z (`edgeae.quantize.integer_residual`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .graph import MOVES, add_constant, constant_of, substitute

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

N_INTEGERS = 256
TO_INT32 = 6


@dataclass(frozen=True)
class LevelInput:
    """The nodes that make levels from 0 to 1 of z."""

    multiply: NodeProto
    add: NodeProto
    clip: NodeProto

    def shift(self, graph: GraphProto) -> float:
        """The level of z = 0."""
        return float(constant_of(graph, self.add.input[1]).flat[0])

    def scale(self, graph: GraphProto) -> float:
        """The levels of one standard deviation."""
        return float(constant_of(graph, self.multiply.input[1]).flat[0])


@dataclass(frozen=True)
class LevelOutput:
    """The nodes that make a reconstruction of the logits."""

    sigmoid: NodeProto
    subtract: NodeProto
    divide: NodeProto


def level_input(graph: GraphProto) -> LevelInput | None:
    """How the network reads levels; None for a network that reads z itself."""
    made_by = {name: node for node in graph.node for name in node.output}
    for clip in graph.node:
        add = made_by.get(clip.input[0])
        if clip.op_type == "Clip" and add is not None and add.op_type == "Add":
            multiply = made_by.get(add.input[0])
            if multiply is not None and multiply.op_type == "Mul":
                return LevelInput(multiply, add, clip)
    return None


def level_output(graph: GraphProto) -> LevelOutput | None:
    """The end of a network whose output is the reconstruction minus z; None without a Sigmoid."""
    made_by = {name: node for node in graph.node for name in node.output}
    divide = made_by[made_by[graph.output[0].name].input[0]]
    subtract = made_by.get(divide.input[0])
    sigmoid = made_by.get(subtract.input[0]) if subtract else None
    if subtract is None or sigmoid is None or sigmoid.op_type != "Sigmoid":
        return None
    return LevelOutput(sigmoid, subtract, divide)


def level_ranges(
    graph: GraphProto, ranges: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """The ranges with others of the levels: from 0, and with a whole number at z = 0."""
    levels = level_input(graph)
    if levels is None:
        return ranges
    changed = dict(ranges)
    tensor = levels.clip.output[0]
    shift = levels.shift(graph)
    highest = min(1.0, max(ranges[tensor][1], shift))
    steps = max(1, round(255 * shift / highest))
    changed[tensor] = (0.0, 255 * shift / steps)
    for node in graph.node:
        if node.op_type in MOVES and node.input[0] == tensor:
            changed[node.output[0]] = changed[tensor]
    return changed


def quantize_z(graph: GraphProto, z: str, unit: float) -> None:
    """Make the integers of z, in units of ``unit`` standard deviations, instead of levels."""
    levels = level_input(graph)
    if levels is None:
        return
    quantize = next(
        node
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] == levels.clip.output[0]
    )
    step = float(constant_of(graph, quantize.input[1]))
    zero = np.array(round(levels.shift(graph) / step), np.uint8)
    scale = np.array(step / (levels.scale(graph) * unit), np.float32)
    inputs = [add_constant(graph, "levels.step", scale), add_constant(graph, "levels.zero", zero)]
    quantize.input[:] = [z, *inputs]
    for node in (levels.multiply, levels.add, levels.clip):
        graph.node.remove(node)


def use_table(graph: GraphProto, end: LevelOutput, unit: float) -> None:
    """Read the reconstruction from a table, in units of ``unit`` standard deviations."""
    from onnx import helper

    made_by = {name: node for node in graph.node for name in node.output}
    dequantize = made_by[end.sigmoid.input[0]]
    step = float(constant_of(graph, dequantize.input[1]))
    zero_point = constant_of(graph, dequantize.input[2])
    logits = (np.arange(N_INTEGERS) - float(zero_point)) * step
    shift = float(constant_of(graph, end.subtract.input[1]).flat[0])
    scale = float(constant_of(graph, end.divide.input[1]).flat[0])
    reconstruction = (1 / (1 + np.exp(-logits)) - shift) / scale
    table = np.round(reconstruction / unit).astype(np.float32)
    add_constant(graph, "levels.table", table)
    dequantize.input[1] = add_constant(graph, "levels.one", np.array(1, np.float32))
    dequantize.input[2] = add_constant(graph, "levels.first", np.zeros_like(zero_point))
    index = "levels.index"
    nodes = [
        helper.make_node("Cast", [dequantize.output[0]], [index], index, to=TO_INT32),
        helper.make_node("Gather", ["levels.table", index], [end.divide.output[0]], "levels"),
    ]
    graph.node.remove(end.sigmoid)
    graph.node.remove(end.subtract)
    substitute(graph, end.divide, nodes)
