"""Quantize the network of a float file: static int8 in QDQ form, integer from end to end.

Activations are unsigned 8-bit with one scale a tensor, weights signed 8-bit with one scale a
channel, biases 32-bit. The ranges of the activations are the extremes over all patches given,
widened: what costs accuracy is saturation, the resolution of 8 bits does not.

    input -(x - mean) / std-> z ---------------------------------------> Sub -> residual
                              |                                           |
                              +-> Quantize -> all integer -> Dequantize --+

Made by onnxruntime's QDQQuantizer (the part of `quantize_static` behind calibration; tried with
onnxruntime 1.20 and 1.32) from ranges measured here. `quantize_static` itself offers no way to
widen the ranges that it measures, and says on stderr what the user of edgeae cannot act on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    import onnxruntime
    from onnx import GraphProto, ModelProto, NodeProto

Ranges = dict[str, tuple[float, float]]  # tensor name -> least and greatest value

MOVES = ("Transpose", "Reshape", "Slice", "Squeeze", "Unsqueeze", "Concat")  # only place elements elsewhere
NETWORK = ("Conv", "Relu", *MOVES)  # what becomes integer
BATCH = 64  # patches held at once while the ranges are measured


def quantize(
    model: ModelProto,
    patches: Iterable[NDArray[np.float32]],
    *,
    headroom: float = 1.25,
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
    _check_layers(model.graph)
    ranges = _shared(model.graph, measure_ranges(model, patches))
    widened = {name: (low * headroom, high * headroom) for name, (low, high) in ranges.items()}
    quantized = _insert_qdq(model, widened, reduce_range)
    _keep_float_input(quantized.graph)
    _move_integers(quantized.graph)
    return _tidied(quantized, model)


def _check_layers(graph: GraphProto) -> None:
    for node in graph.node:
        if node.op_type in ("ConvTranspose", "BatchNormalization", "Gemm", "MatMul"):
            raise ArtifactError(f"{node.name}: {node.op_type} stays in float; `rewrite` the network first")
    if not any(node.op_type == "Conv" for node in graph.node):
        raise ArtifactError("the network has no convolution: nothing to quantize")


def measure_ranges(model: ModelProto, patches: Iterable[NDArray[np.float32]]) -> Ranges:
    """The extremes over all patches (n, n_frames, n_mels) dB of each tensor that the network passes on."""
    session, names = _observer(model)
    lows = np.full(len(names), np.inf)
    highs = np.full(len(names), -np.inf)
    for batch in _batches(patches):
        values = session.run(names, {session.get_inputs()[0].name: batch})
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    if not np.isfinite([lows, highs]).all():
        raise ConfigError("no patches to measure the ranges on: at least one is needed")
    return {name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)}


def _shared(graph: GraphProto, ranges: Ranges) -> Ranges:
    """The same ranges, but one for all that a Concat joins: then it joins 8-bit integers as they are."""
    shared = dict(ranges)
    for node in graph.node:
        if node.op_type == "Concat":
            joined = [*node.input, *node.output]
            low, high = min(shared[name][0] for name in joined), max(shared[name][1] for name in joined)
            shared |= dict.fromkeys(joined, (low, high))
    return shared


def _batches(patches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    for block in patches:
        if block.ndim != 3 or not np.isfinite(block).all():
            raise ConfigError(f"patches must be finite arrays (n, n_frames, n_mels), got shape {block.shape}")
        for start in range(0, len(block), BATCH):
            yield np.ascontiguousarray(block[start : start + BATCH], dtype=np.float32)


def _observer(model: ModelProto) -> tuple[onnxruntime.InferenceSession, list[str]]:
    """A session that also gives each tensor that a layer of the network reads or writes, and their names."""
    import onnx
    import onnxruntime

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    known = {tensor.name for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in NETWORK]
    tensors = dict.fromkeys(name for node in layers for name in (node.input[0], *node.output))
    names = [name for name in tensors if name not in known]
    given = {output.name for output in model.graph.output}
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    content = observed.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]), names


def _insert_qdq(model: ModelProto, ranges: Ranges, reduce_range: bool) -> ModelProto:
    """Let onnxruntime quantize weights and biases and put Quantize and Dequantize behind each layer."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]  # a mark left there by the quantizer would make it skip its shape inference
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
    """The metadata of the float model in place of the quantizer's, and no shapes of inner tensors."""
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    del quantized.graph.value_info[:]
    return quantized
