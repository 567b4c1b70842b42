"""Gives a network its second output: the sums over time that the scoring head reads.

    input -> z ---------+-------------------> Sub -> residual ---.
                        |   ... network ... /                    |
                        +-------------- Concat over the bands <--'
                                              |
                 v, v * v, (v[t+1] - v[t])^2, each summed over t
                                              |
                               statistics (n_patches, 3, 2 * n_mels)

A network that reads z without level or bands of each patch gives the statistics of z itself.

In an int8 network z and the residual are whole numbers of a small unit, held in float32. Sums of
such numbers are exact, and so the same on every processor, up to 2^24. Squares come near it: they
are summed over 8 frames at a time, which is exact for values and changes up to 1448 units (22
standard deviations or more). These sums are then added in a fixed order, which rounds in the same
way everywhere. The result is multiplied by the unit last.

The sums are a MatMul with ones: onnxruntime's fastest way to add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from edgeae.runtime.model.network import RESIDUAL, STATISTICS
from edgeae.runtime.system.arrays import Float32

from .rewriting.identity_output import with_identity
from .rewriting.relative_input import standardised_input

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


GROUP_FRAMES = 8  # whose squares are summed exactly


def with_statistics(
    model: ModelProto, unit: float | None = None, identity: Float32 | None = None
) -> ModelProto:
    """A copy of a network that also gives the statistics of z and the residual.

    model: its output is the reconstruction minus z.
    unit: the standard deviations that 1 stands for in z and in the difference, of an int8 network;
        both outputs are in standard deviations. None for a float network, which is in standard
        deviations already.
    identity: the matrix of the identity embedding, which then is an output, too; see
        `edgeae.quantize.rewriting.identity_output.with_identity`.
    """
    import onnx
    from onnx import TensorProto, helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    difference = next(node for node in graph.node if graph.output[0].name in node.output)
    n_frames, n_mels = (axis.dim_value for axis in graph.input[0].type.tensor_type.shape.dim[1:])
    builder = _Builder(graph)

    if unit is not None:
        difference.output[0] = f"{RESIDUAL}.units"
        builder.node("Mul", [difference.output[0], builder.constant("unit", unit)], RESIDUAL)
    z = standardised_input(graph, difference.input[1])
    values = builder.node("Concat", [z, difference.output[0]], "v", axis=2)
    total = _summed_over_time(builder, values, n_frames)

    rows = builder.constant("rows", [-1, 3, 2 * n_mels], np.int64)
    if unit is None:
        builder.node("Reshape", [total, rows], STATISTICS)
    else:
        counts = builder.node("Reshape", [total, rows], "counts")
        units = builder.constant("units", [[unit], [unit**2], [unit**2]])
        builder.node("Mul", [counts, units], STATISTICS)
    shape = ["n_patches", 3, 2 * n_mels]
    graph.output.insert(1, helper.make_tensor_value_info(STATISTICS, TensorProto.FLOAT, shape))
    return copy if identity is None else with_identity(copy, identity)


def _summed_over_time(builder: _Builder, values: str, n_frames: int) -> str:
    """(n_patches, 1, 3 * n): sums of the values, of their squares and of their squared changes.

    values: name of a tensor (n_patches, n_frames, n).
    """
    axis = builder.constant("axis", [1], np.int64)

    def all_but_one(name: str, start: int) -> str:
        first = builder.constant(f"{name}.from", [start], np.int64)
        end = builder.constant(f"{name}.to", [start + n_frames - 1], np.int64)
        return builder.node("Slice", [values, first, end, axis], name)

    def summed(name: str, term: str, n: int) -> str:
        """(n_patches, n_groups, ...): the sum over each group of frames."""
        groups = np.arange(-(-n_frames // GROUP_FRAMES))[:, None]
        is_in_group = np.arange(n) // GROUP_FRAMES == groups
        return builder.node("MatMul", [builder.constant(f"{name}.ones", is_in_group), term], name)

    later = all_but_one("later", 1)
    earlier = all_but_one("earlier", 0)
    change = builder.node("Sub", [later, earlier], "change")
    sums = summed("sum", values, n_frames)
    squares = summed("squares", builder.node("Mul", [values, values], "square"), n_frames)
    squared_change = builder.node("Mul", [change, change], "squared_change")
    changes = summed("changes", squared_change, n_frames - 1)
    groups = builder.node("Concat", [sums, squares, changes], "groups", axis=2)
    parts = builder.split(groups, -(-n_frames // GROUP_FRAMES))
    return builder.node("Sum", parts, "total")


class _Builder:
    """Appends nodes and constants to a graph, with names that begin with ``statistics.``."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        from onnx import numpy_helper

        full_name = f"{STATISTICS}.{name}"
        tensor = numpy_helper.from_array(np.asarray(value, dtype), full_name)
        self._graph.initializer.append(tensor)
        return full_name

    def node(self, op: str, inputs: list[str], name: str, axis: int | None = None) -> str:
        """Append a node; returns the name of its output."""
        from onnx import helper

        output = name if name in (RESIDUAL, STATISTICS) else f"{STATISTICS}.{name}"
        node = helper.make_node(op, inputs, [output], output)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self._graph.node.append(node)
        return output

    def split(self, tensor: str, n_parts: int) -> list[str]:
        """Split a tensor (n, n_parts, ...) into parts (n, 1, ...)."""
        from onnx import helper

        parts = [f"{STATISTICS}.part{k}" for k in range(n_parts)]
        name = f"{STATISTICS}.split"
        self._graph.node.append(helper.make_node("Split", [tensor], parts, name, axis=1))
        return parts
