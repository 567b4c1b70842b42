"""Quantizes the network of a float file: static int8 in QDQ form, integer from end to end.

Activations are unsigned 8-bit with one scale a tensor, weights signed 8-bit with one scale a
channel, biases 32-bit. The ranges of the activations are the extremes over all patches given,
widened: what costs accuracy first is saturation, then the step of the output, which is therefore
chosen for each band (`edgeae.quantize.equalize`). What remains in float is counted in whole units
(`edgeae.quantize.integer_residual`).

Made by onnxruntime's QDQQuantizer (the part of `quantize_static` after calibration; tried with
onnxruntime 1.20 and 1.32) from ranges measured here. `quantize_static` itself offers no way to
widen the ranges that it measures, and prints advice that the user of edgeae cannot act on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.system.arrays import Float32

from .equalize import MIN_UNIT
from .integer_residual import use_whole_units
from .ranges import DEFAULT_HEADROOM, measure_ranges
from .rewriting.graph import MOVES, constant_of, sort_nodes
from .rewriting.levels import level_ranges
from .statistics_output import with_statistics
from .verify import NETWORK, check_layers

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

SHORT_NAMES = {  # of what the quantizer appends to the names of tensors
    "_DequantizeLinear_Output": ".f",
    "_QuantizeLinear_Output": ".q",
    "_zero_point": ".z",
    "_quantized": ".i",
    "_scale": ".s",
}

# Attributes of a convolution that say what is true without them: name, integer, set of integers.
DEFAULT_ATTRIBUTES: tuple[tuple[str, int, set[int]], ...] = (
    ("group", 1, set()),
    ("dilations", 0, {1}),
)

TensorRanges = dict[str, tuple[float, float]]  # tensor name -> minimum and maximum


def quantize(
    model: ModelProto,
    patches: Iterable[Float32],
    *,
    headroom: float = DEFAULT_HEADROOM,
    reduce_range: bool = False,
    identity: Float32 | None = None,
) -> ModelProto:
    """The int8 form of a float network.

    model: the float network, as `edgeae.quantize.rewriting.conv_transpose.rewrite` returns it.

    patches: arrays (n, n_frames, n_mels) of log-mel in dB, any n, read once.
    headroom: the factor that widens each measured range about zero.
    reduce_range: limit weights to 7 bits, for x86 processors with AVX2 but without VNNI, whose
        8-bit products saturate.
    identity: the matrix of the identity embedding, see
        `edgeae.quantize.rewriting.identity_output.with_identity`.

    Raises ConfigError for patches or a headroom that cannot be used, ArtifactError for a network
    that has a layer without an integer form.
    """
    if not headroom >= 1.0 or not np.isfinite(headroom):
        raise ConfigError(f"headroom must be a finite number of at least 1, not {headroom}")
    check_layers(model.graph)
    ranges = {
        name: (low.min() * headroom, high.max() * headroom)
        for name, (low, high) in measure_ranges(model, patches).items()
    }
    _widen_output(model.graph, ranges)
    quantized = _insert_qdq(
        model, level_ranges(model.graph, _joined(model.graph, ranges)), reduce_range
    )
    _keep_float_input(quantized.graph)
    _move_integers(quantized.graph)
    unit = use_whole_units(quantized.graph)
    return with_statistics(_shortened(quantized, model), unit, identity)


def _widen_output(graph: GraphProto, ranges: TensorRanges) -> None:
    """Make a step of the network's output at least `MIN_UNIT`: finer steps only cost exactness."""
    made_by = {name: node for node in graph.node for name in node.output}
    tensors = [made_by[graph.output[0].name].input[0]]
    for name in tensors:  # grows: the output and all tensors that only moves lead to it from
        if name in made_by and made_by[name].op_type in ("Mul", *MOVES):
            tensors += made_by[name].input
    tensors = [name for name in tensors if name in ranges]
    low = min([0.0, *(ranges[name][0] for name in tensors)])
    high = max([0.0, *(ranges[name][1] for name in tensors)])
    factor = MIN_UNIT * 255 / max(high - low, 1e-12)
    if factor > 1:
        ranges.update(dict.fromkeys(tensors, (low * factor, high * factor)))


def _joined(graph: GraphProto, ranges: TensorRanges) -> TensorRanges:
    """The same ranges, but one for all that a Concat joins, so that it joins 8-bit integers."""
    joined = dict(ranges)
    for node in graph.node:
        if node.op_type == "Concat":
            tensors = [*node.input, *node.output]
            low = min(joined[name][0] for name in tensors)
            high = max(joined[name][1] for name in tensors)
            joined |= dict.fromkeys(tensors, (low, high))
    return joined


def _insert_qdq(model: ModelProto, ranges: TensorRanges, reduce_range: bool) -> ModelProto:
    """Let onnxruntime quantize the parameters and put Quantize and Dequantize after each layer."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    # A mark that the quantizer leaves there would make it skip its shape inference.
    del copy.metadata_props[:]
    quantizer = QDQQuantizer(
        copy,
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
    """Let float operations read the network's input before it is quantized."""
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in (*NETWORK, "QuantizeLinear", "DequantizeLinear"):
            continue
        for i, name in enumerate(node.input):
            dequantize = made_by.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            source = made_by[dequantize.input[0]].input[0]
            if source not in made_by or made_by[source].op_type not in NETWORK:
                node.input[i] = source


def _move_integers(graph: GraphProto) -> None:
    """Move elements as 8-bit integers: Dequantize -> Transpose -> Quantize becomes Transpose.

    Both ends have the same scale and zero point, so nothing is rounded in between.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    values = {tensor.name: tensor.raw_data for tensor in graph.initializer}
    for quantize_node in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        move = made_by.get(quantize_node.input[0])
        if move is None or move.op_type not in MOVES:
            continue
        scale_after = [values[name] for name in quantize_node.input[1:]]
        for i, name in enumerate(move.input):
            dequantize = made_by.get(name)
            if dequantize is None:  # a shape or an axis
                continue
            if [values[name] for name in dequantize.input[1:]] != scale_after:
                raise ArtifactError(f"{move.name}: its input and output have different scales")
            move.input[i] = dequantize.input[0]
        move.output[0] = quantize_node.output[0]
        made_by[quantize_node.output[0]] = move
        graph.node.remove(quantize_node)
    sort_nodes(graph)


def _shortened(quantized: ModelProto, model: ModelProto) -> ModelProto:
    """The quantized network with the metadata of ``model`` and without what has no effect.

    Names, defaults and unused constants are a tenth of a small file.
    """
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    graph = quantized.graph
    del graph.value_info[:]
    constants = {tensor.name for tensor in graph.initializer}
    zeros = {name for name in constants if not constant_of(graph, name).any()}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            is_parameter = node.input[0] in constants
            if is_parameter and node.input[2] in zeros:
                del node.input[2:]  # a zero point is 0 unless it is given
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.name = ""
        for attribute in list(node.attribute):
            if (attribute.name, attribute.i, set(attribute.ints)) in DEFAULT_ATTRIBUTES:
                node.attribute.remove(attribute)
        for names in (node.input, node.output):
            names[:] = [_short_name(name) for name in names]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if _short_name(tensor.name) in used]
    del graph.initializer[:]
    for tensor in kept:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = _short_name(tensor.name)
    return quantized


def _short_name(name: str) -> str:
    for long, short in SHORT_NAMES.items():
        name = name.replace(long, short)
    return name
