"""Networks that read the standardised input without the level or the bands of each patch, in units.

    float    z -.-> mean over time [-> MatMul weights --> Mul decibel] -.
                '------------------------------------------------------ Sub --> network

    int8     z -.-> sum over time --> Mul, Round [-> MatMul whole weights --> Mul, Round] -.
                '------------------------------------------------------------------------ Sub --> ..

The brackets make the level of a patch of the means of its bands; see
`edgeae.train.architectures.RelativeInput`.

Sums of whole numbers below 2^24 are exact in float32, and a product that is then rounded is the
same everywhere. So what is subtracted, and z without it, are the same whole numbers on every
processor. The weights are `edgeae.train.config.MAX_LEVEL_WEIGHT` at most: 128 bands of levels up to
32 standard deviations stay below 2^24.
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
class LevelNodes:
    """The nodes that make the level of a patch of the means of its bands."""

    weigh: NodeProto
    multiply: NodeProto


@dataclass(frozen=True)
class RelativeInputNodes:
    """The nodes that subtract the level of each patch, or its bands if ``level`` is None."""

    mean: NodeProto
    level: LevelNodes | None
    subtract: NodeProto

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """All of them."""
        if self.level is None:
            return (self.mean, self.subtract)
        return (self.mean, self.level.weigh, self.level.multiply, self.subtract)


def relative_input_of(graph: GraphProto) -> RelativeInputNodes | None:
    """The nodes that subtract level or bands; None in a network that reads z itself."""
    made_by = {name: node for node in graph.node for name in node.output}
    for mean in graph.node:
        if mean.op_type != "ReduceMean":
            continue
        subtract = next(
            (n for n in graph.node if n.op_type == "Sub" and n.input[0] == mean.input[0]), None
        )
        if subtract is None:
            continue
        if subtract.input[1] == mean.output[0]:
            return RelativeInputNodes(mean, None, subtract)
        multiply = made_by.get(subtract.input[1])
        weigh = made_by.get(multiply.input[0]) if multiply else None
        if multiply and weigh and list(weigh.input[:1]) == list(mean.output):
            return RelativeInputNodes(mean, LevelNodes(weigh, multiply), subtract)
    return None


def standardised_input(graph: GraphProto, read: str) -> str:
    """The name of z, of which the network reads the tensor ``read``: z itself, or relative."""
    made_by = {name: node for node in graph.node for name in node.output}
    node = made_by[read]
    return node.input[0] if node.op_type == "Sub" else read


def use_whole_numbers(graph: GraphProto) -> None:
    """Count what is subtracted in the units of z; nothing changes in a network that reads z itself.

    graph: its z is in whole units.
    """
    relative_input = relative_input_of(graph)
    if relative_input is None:
        return
    if relative_input.level is not None:
        _use_whole_level(graph, relative_input.level)
    _use_whole_mean(graph, relative_input.mean)
    sort_nodes(graph)


def _use_whole_mean(graph: GraphProto, mean: NodeProto) -> None:
    """Replace the mean over time by a sum, a product and a rounding."""
    from onnx import helper

    n_frames = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    ones = add_constant(graph, "bands.ones", np.ones((1, n_frames), np.float32))
    share = add_constant(graph, "bands.share", np.array(1 / n_frames, np.float32))
    z = mean.input[0]
    whole_mean = mean.output[0]
    mean.CopyFrom(helper.make_node("MatMul", [ones, z], ["bands.sum"], "bands.sum"))
    graph.node.extend(
        [
            helper.make_node("Mul", ["bands.sum", share], ["bands.mean"], "bands.mean"),
            helper.make_node("Round", ["bands.mean"], [whole_mean], "bands.whole"),
        ]
    )


def _use_whole_level(graph: GraphProto, level: LevelNodes) -> None:
    """Give the level whole weights, and round what is subtracted."""
    from onnx import helper

    weights = constant_of(graph, level.weigh.input[1])
    whole = np.round(weights / weights.max() * MAX_LEVEL_WEIGHT)
    unit = weights.max() / MAX_LEVEL_WEIGHT
    decibel = constant_of(graph, level.multiply.input[1])
    level.weigh.input[1] = add_constant(graph, "level.weights", whole.astype(np.float32))
    level.multiply.input[1] = add_constant(
        graph, "level.decibel", (decibel * unit).astype(np.float32)
    )
    subtracted = level.multiply.output[0]
    level.multiply.output[0] = "level.product"
    graph.node.append(helper.make_node("Round", ["level.product"], [subtracted], "level.rounded"))
