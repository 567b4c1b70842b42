"""Networks that read the standardised input without the level of each patch, in whole units.

    float    z -.-> mean over time --> MatMul weights --> Mul decibel -.
                '---------------------------------------------------- Sub --> network

    int8     z -.-> sum over time --> Mul, Round --> MatMul whole weights --> Mul, Round -.
                '----------------------------------------------------------------------- Sub --> ...

Sums of whole numbers below 2^24 are exact in float32, and a product that is then rounded is the
same everywhere. So the level, and z without it, are the same whole numbers on every processor. The
weights are `edgeae.train.config.MAX_LEVEL_WEIGHT` at most: 128 bands of levels up to 32
standard deviations stay below 2^24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeae.train.config import MAX_LEVEL_WEIGHT

from .graph import add_constant, constant_of, sort_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


@dataclass(frozen=True)
class RelativeLevelNodes:
    """The nodes that subtract the level of each patch."""

    mean: NodeProto
    weigh: NodeProto
    multiply: NodeProto
    subtract: NodeProto

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """All four."""
        return (self.mean, self.weigh, self.multiply, self.subtract)


def relative_level_of(graph: GraphProto) -> RelativeLevelNodes | None:
    """The nodes that subtract the level of each patch; None in a network that reads z itself."""
    made_by = {name: node for node in graph.node for name in node.output}
    for mean in graph.node:
        if mean.op_type != "ReduceMean":
            continue
        subtract = next(
            (n for n in graph.node if n.op_type == "Sub" and n.input[0] == mean.input[0]), None
        )
        multiply = made_by.get(subtract.input[1]) if subtract else None
        weigh = made_by.get(multiply.input[0]) if multiply else None
        if subtract and multiply and weigh and list(weigh.input[:1]) == list(mean.output):
            return RelativeLevelNodes(mean, weigh, multiply, subtract)
    return None


def standardised_input(graph: GraphProto, read: str) -> str:
    """The name of z, of which the network reads the tensor ``read``: z itself, or without level."""
    made_by = {name: node for node in graph.node for name in node.output}
    node = made_by[read]
    return node.input[0] if node.op_type == "Sub" else read


def use_whole_level(graph: GraphProto) -> None:
    """Count the level of each patch in the units of z; nothing changes without such a level.

    graph: its z is in whole units.
    """
    from onnx import helper

    level = relative_level_of(graph)
    if level is None:
        return
    n_frames = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    weights = constant_of(graph, level.weigh.input[1])
    whole = np.round(weights / weights.max() * MAX_LEVEL_WEIGHT)
    unit = weights.max() / MAX_LEVEL_WEIGHT
    decibel = constant_of(graph, level.multiply.input[1])

    ones = add_constant(graph, "level.ones", np.ones((1, n_frames), np.float32))
    share = add_constant(graph, "level.share", np.array(1 / n_frames, np.float32))
    level.weigh.input[1] = add_constant(graph, "level.weights", whole.astype(np.float32))
    level.multiply.input[1] = add_constant(
        graph, "level.decibel", (decibel * unit).astype(np.float32)
    )
    z = level.mean.input[0]
    mean = level.mean.output[0]
    level.mean.CopyFrom(helper.make_node("MatMul", [ones, z], ["level.sum"], "level.sum"))
    product = level.multiply.output[0]
    level.multiply.output[0] = "level.product"
    graph.node.extend(
        [
            helper.make_node("Mul", ["level.sum", share], ["level.mean"], "level.mean"),
            helper.make_node("Round", ["level.mean"], [mean], "level.whole"),
            helper.make_node("Round", ["level.product"], [product], "level.rounded"),
        ]
    )
    sort_nodes(graph)
