"""Quantize the network of a float file: static int8 in QDQ form, integer from end to end.

Activations are unsigned 8-bit with one scale a tensor, weights signed 8-bit with one scale a
channel, biases 32-bit. The ranges of the activations are the extremes over all patches given,
widened: what costs accuracy first is saturation, then the step of the output, which is therefore
chosen for each band (`edgeae.quantize.equalize`).

    input -(x - mean) / std-> Round -> z -------------------------------> Sub -> residual, statistics
                                       |                                   |
                                       +-> Quantize -> all integer -> Dequantize -> Mul

z is rounded to a whole number of units, and a step of each band of the output is a few of
them. So their difference and its sums are whole numbers, and exact (`edgeae.quantize.statistics_output`).

Made by onnxruntime's QDQQuantizer (the part of `quantize_static` behind calibration; tried with
onnxruntime 1.20 and 1.32) from ranges measured here. `quantize_static` itself offers no way to
widen the ranges that it measures, and says on stderr what the user of edgeae cannot act on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.system.arrays import Float32

from .equalize import UNIT
from .ranges import measure_ranges
from .statistics_output import with_statistics
from .verify import MOVES, NETWORK, check_layers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

LONG_NAMES = {  # what the quantizer appends, and what is kept of it
    "_DequantizeLinear_Output": ".f",
    "_QuantizeLinear_Output": ".q",
    "_zero_point": ".z",
    "_quantized": ".i",
    "_scale": ".s",
}

DEFAULTS: tuple[tuple[str, int, set[int]], ...] = (
    ("group", 1, set()),
    ("dilations", 0, {1}),
)  # attributes of a convolution

Limits = dict[str, tuple[float, float]]  # tensor name -> least and greatest value


def quantize(
    model: ModelProto,
    patches: Iterable[NDArray[np.float32]],
    *,
    headroom: float = 1.5,
    reduce_range: bool = False,
) -> ModelProto:
    """The int8 form of `model`, a float network as `rewrite` leaves it.

    `patches` are arrays (n, n_frames, n_mels) of log-mel in dB, any n, read once; `headroom` widens
    each measured range about zero. `reduce_range` limits weights to 7 bits, for x86 processors
    with AVX2 but without VNNI, whose 8-bit products saturate.

    Raises ConfigError for patches or a headroom that cannot be used, ArtifactError for a network
    that has a layer without an integer form.
    """
    if not headroom >= 1.0 or not np.isfinite(headroom):
        raise ConfigError(f"headroom must be a finite number of at least 1, not {headroom}")
    check_layers(model.graph)
    ranges = measure_ranges(model, patches)
    limits = {
        name: (low.min() * headroom, high.max() * headroom) for name, (low, high) in ranges.items()
    }
    _widen_output(model.graph, limits)
    quantized = _insert_qdq(model, _shared(model.graph, limits), reduce_range)
    _keep_float_input(quantized.graph)
    _move_integers(quantized.graph)
    unit = _count_units(quantized.graph)
    return with_statistics(_tidied(quantized, model), unit)


def input_range(quantized: ModelProto) -> tuple[Float32, Float32]:
    """The least and greatest level (n_mels,) dB that the 8 bits of the network's input can express."""
    graph = quantized.graph
    quantize = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    scale, zero = (_value(graph, name).item() for name in quantize.input[1:])
    factor, shift = _value(graph, "units.factor"), _value(graph, "units.shift")
    low, high = (((level - zero) * scale - shift) / factor for level in (0, 255))
    return low.astype(np.float32), high.astype(np.float32)


def _widen_output(graph: GraphProto, limits: Limits) -> None:
    """Make a step of the network's output at least the least unit: finer ones would only cost exactness."""
    made_by = {name: node for node in graph.node for name in node.output}
    output = [made_by[graph.output[0].name].input[0]]
    for name in output:
        if name in made_by and made_by[name].op_type in ("Mul", *MOVES):
            output += made_by[name].input
    output = [name for name in output if name in limits]
    low, high = min(limits[name][0] for name in output), max(limits[name][1] for name in output)
    finer = UNIT * 255 / max(max(high, 0) - min(low, 0), 1e-12)
    if finer > 1:
        limits.update(dict.fromkeys(output, (min(low, 0) * finer, max(high, 0) * finer)))


def _shared(graph: GraphProto, ranges: Limits) -> Limits:
    """The same ranges, but one for all that a Concat joins: then it joins 8-bit integers as they are."""
    shared = dict(ranges)
    for node in graph.node:
        if node.op_type == "Concat":
            joined = [*node.input, *node.output]
            low, high = (
                min(shared[name][0] for name in joined),
                max(shared[name][1] for name in joined),
            )
            shared |= dict.fromkeys(joined, (low, high))
    return shared


def _insert_qdq(model: ModelProto, ranges: Limits, reduce_range: bool) -> ModelProto:
    """Let onnxruntime quantize weights and biases and put Quantize and Dequantize behind each layer."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[
        :
    ]  # a mark left there by the quantizer would make it skip its shape inference
    quantizer = QDQQuantizer(
        bare,
        per_channel=True,
        reduce_range=reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(NETWORK),
        extra_options={"ForceQuantizeNoInputCheck": True},  # moves before the first Conv, too
    )
    quantized: ModelProto = quantizer.quantize_model()
    return quantized


def _keep_float_input(graph: GraphProto) -> None:
    """Let float operations read the network's input before it is quantized, not its rounded form."""
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in (*NETWORK, "QuantizeLinear", "DequantizeLinear"):
            continue
        for i, name in enumerate(node.input):
            undo = made_by.get(name)
            if undo is None or undo.op_type != "DequantizeLinear":
                continue
            source = made_by[undo.input[0]].input[0]
            if source not in made_by or made_by[source].op_type not in NETWORK:
                node.input[i] = source


def _move_integers(graph: GraphProto) -> None:
    """Move elements as 8-bit integers: Dequantize -> Transpose -> Quantize becomes Transpose.

    Both ends have the same scale and zero point, so nothing is rounded in between.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    values = {tensor.name: tensor.raw_data for tensor in graph.initializer}
    for after in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        move = made_by.get(after.input[0])
        if move is None or move.op_type not in MOVES:
            continue
        for i, name in enumerate(move.input):
            undo = made_by.get(name)
            if undo is None:  # a shape or an axis
                continue
            if [values[p] for p in undo.input[1:]] != [values[p] for p in after.input[1:]]:
                raise ArtifactError(f"{move.name}: its input and output have different scales")
            move.input[i] = undo.input[0]
        move.output[0] = after.output[0]
        made_by[after.output[0]] = move
        graph.node.remove(after)
    _sort(graph)


def _count_units(graph: GraphProto) -> float:
    """Count z and the network's output in whole units; what a unit is in standard deviations."""
    from onnx import helper, numpy_helper

    def constant(name: str, value: Any) -> str:
        graph.initializer.append(
            numpy_helper.from_array(np.asarray(value, np.float32), f"units.{name}")
        )
        return f"units.{name}"

    made_by = {name: node for node in graph.node for name in node.output}
    residual = made_by[graph.output[0].name]
    undo, divide = (made_by[name] for name in residual.input)
    bands = (
        undo
        if undo.op_type == "Mul"
        else helper.make_node("Mul", [undo.output[0], ""], ["bands"], "bands")
    )
    undo, subtract = made_by[bands.input[0]], made_by[divide.input[0]]
    if [undo.op_type, divide.op_type, subtract.op_type] != ["DequantizeLinear", "Div", "Sub"]:
        raise ArtifactError("the network must give its reconstruction minus (input - mean) / std")
    step = _value(graph, undo.input[1]).item()
    steps = _whole(_value(graph, bands.input[1])) if bands.input[1] else np.array(1)
    steps = steps * max(int(step / steps.max() / UNIT), 1)
    unit = step / steps.max()
    mean, std = (_value(graph, node.input[1]).astype(np.float64) for node in (subtract, divide))
    factor, shift = constant("factor", 1 / (std * unit)), constant("shift", -mean / (std * unit))
    subtract.CopyFrom(helper.make_node("Mul", [subtract.input[0], factor], ["units.scaled"]))
    divide.CopyFrom(helper.make_node("Add", ["units.scaled", shift], ["units.shifted"]))
    rounded = helper.make_node("Round", ["units.shifted"], [residual.input[1]])
    graph.node.insert(list(graph.node).index(divide) + 1, rounded)
    undo.input[1], bands.input[1] = constant("one", 1), constant("steps", steps)
    if residual.input[0] != bands.output[0]:
        residual.input[0] = bands.output[0]
        graph.node.insert(list(graph.node).index(residual), bands)
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == residual.input[1]:
            node.input[1] = constant("of_input", _value(graph, node.input[1]) / unit)
    return float(unit)


def _whole(factors: NDArray[Any]) -> NDArray[np.int64]:
    """Factors, the greatest of which is 1, in the largest unit of which all are whole multiples."""
    units = next(
        n for n in range(1, 1024) if np.allclose(factors * n, np.round(factors * n), atol=1e-3)
    )
    return np.asarray(np.round(factors * units).astype(np.int64))


def _value(graph: GraphProto, name: str) -> NDArray[Any]:
    from onnx import numpy_helper

    return numpy_helper.to_array(
        next(tensor for tensor in graph.initializer if tensor.name == name)
    )


def _sort(graph: GraphProto) -> None:
    """Put the nodes that the output needs, and no others, in topological order."""
    made_by = {name: node for node in graph.node for name in node.output}
    ordered: dict[str, NodeProto] = {}

    def visit(tensor: str) -> None:
        node = made_by.get(tensor)
        if node is None or node.output[0] in ordered:
            return
        for name in node.input:
            visit(name)
        ordered[node.output[0]] = node

    for output in graph.output:
        visit(output.name)
    nodes = list(ordered.values())
    del graph.node[:]
    graph.node.extend(nodes)


def _tidied(quantized: ModelProto, model: ModelProto) -> ModelProto:
    """The metadata of the float model in place of the quantizer's, and nothing in the file that says nothing."""
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    graph = quantized.graph
    del graph.value_info[:]
    zero = {tensor.name for tensor in graph.initializer if not _value(graph, tensor.name).any()}
    constant = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if (
            node.op_type == "DequantizeLinear"
            and node.input[0] in constant
            and node.input[2] in zero
        ):
            del node.input[2:]  # zero is what it is without
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.name = ""
        for attribute in [a for a in node.attribute if (a.name, a.i, set(a.ints)) in DEFAULTS]:
            node.attribute.remove(attribute)
        for names in (node.input, node.output):
            names[:] = [_short(name) for name in names]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if _short(tensor.name) in used]
    del graph.initializer[:]
    for tensor in kept:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = _short(tensor.name)
    return quantized


def _short(name: str) -> str:
    """A tensor's name without the length that the quantizer gives it: names are a tenth of a small file."""
    for long, short in LONG_NAMES.items():
        name = name.replace(long, short)
    return name
