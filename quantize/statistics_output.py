"""Give a network its second output: the sums over time that the scoring head reads.

    input -> z ---------+-------------------> Sub -> residual ---.
                        |   ... network ... /                    |
                        +-------------- Concat over the bands <--'
                                              |
                 v, v * v, (v[t+1] - v[t])^2, each summed over t -> statistics (n_patches, 3, 2 * n_mels)

In an int8 network z and the residual are whole numbers of a small unit, held in float32. Sums of
such numbers are exact, and so the same on every processor, up to 2^24. Squares come near it: they
are summed over 8 frames at a time, which is exact for values and changes up to 1448 units (22
standard deviations or more), and these sums are added in a fixed order, which rounds everywhere
alike. The unit is multiplied to them last.
MatMul with ones is how onnxruntime adds fastest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeae.runtime.model.network import RESIDUAL, STATISTICS

if TYPE_CHECKING:
    from onnx import ModelProto


GROUP = 8  # frames


def with_statistics(model: ModelProto, unit: float | None = None) -> ModelProto:
    """A copy of `model`, whose output is reconstruction minus z, that also gives their statistics.

    unit: standard deviations that 1 stands for in z and in the difference; both outputs are in
    standard deviations. Without it they are that already.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    difference = next(node for node in graph.node if graph.output[0].name in node.output)
    frames, n_mels = (axis.dim_value for axis in graph.input[0].type.tensor_type.shape.dim[1:])

    def constant(name: str, value: Any, dtype: type = np.float32) -> str:
        graph.initializer.append(
            numpy_helper.from_array(np.asarray(value, dtype), f"{STATISTICS}.{name}")
        )
        return f"{STATISTICS}.{name}"

    def node(op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        output = name if name in (RESIDUAL, STATISTICS) else f"{STATISTICS}.{name}"
        graph.node.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def frames_from(name: str, start: int) -> str:
        """All frames but one of v, from `start`."""
        bounds = [
            constant(f"{name}.{key}", [k], np.int64)
            for key, k in (("from", start), ("to", start + frames - 1))
        ]
        return node("Slice", [v, *bounds, axis], name)

    def summed(name: str, term: str, n: int) -> str:
        """(n_patches, n_groups, ...): the sum over each group of frames."""
        group = np.arange(n) // GROUP == np.arange(-(-frames // GROUP))[:, None]
        return node("MatMul", [constant(f"{name}.ones", group), term], name)

    z = difference.input[1]
    if unit is not None:
        difference.output[0] = f"{RESIDUAL}.units"
        node("Mul", [difference.output[0], constant("unit", unit)], RESIDUAL)
    v, axis = (
        node("Concat", [z, difference.output[0]], "v", axis=2),
        constant("axis", [1], np.int64),
    )
    change = node("Sub", [frames_from("later", 1), frames_from("earlier", 0)], "change")
    sums = [
        summed("sum", v, frames),
        summed("squares", node("Mul", [v, v], "square"), frames),
        summed("changes", node("Mul", [change, change], "squared_change"), frames - 1),
    ]
    groups = node("Concat", sums, "groups", axis=2)
    parts = [f"{STATISTICS}.part{k}" for k in range(-(-frames // GROUP))]
    graph.node.append(helper.make_node("Split", [groups], parts, f"{STATISTICS}.split", axis=1))
    total = node("Sum", parts, "total")
    rows = constant("rows", [-1, 3, 2 * n_mels], np.int64)
    if unit is None:
        node("Reshape", [total, rows], STATISTICS)
    else:
        counts = node("Reshape", [total, rows], "counts")
        node("Mul", [counts, constant("units", [[unit], [unit**2], [unit**2]])], STATISTICS)
    shape = ["n_patches", 3, 2 * n_mels]
    graph.output.append(helper.make_tensor_value_info(STATISTICS, TensorProto.FLOAT, shape))
    return copy
