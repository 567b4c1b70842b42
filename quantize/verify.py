"""Checks of networks: integer from end to end, and the same function after a rewrite.

What counts is the graph that onnxruntime runs after its own optimizations.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError

from .rewriting.graph import MOVES, Array
from .rewriting.relative_input import relative_input_of

if TYPE_CHECKING:
    import onnxruntime
    from onnx import GraphProto, ModelProto, NodeProto

# Operations that become integer, and what onnxruntime makes of them.
NETWORK = ("Conv", "Relu", *MOVES)
INTEGER = ("QLinearConv", *MOVES)
# Operations that are allowed in float before the integer part: the standardisation.
STANDARDISE = ("Sub", "Div", "Mul", "Add", "Round", "Clip")
# Operations that are allowed in float after it: restoring the size of each band, minus the input,
# and the Sigmoid that becomes a table (`edgeae.quantize.rewriting.levels`).
AFTER_NETWORK = ("Sub", "Mul", "Sigmoid")
# Layers that must not be left in float.
WEIGHTED = {
    "Conv",
    "FusedConv",
    "NhwcFusedConv",
    "ConvTranspose",
    "Gemm",
    "FusedGemm",
    "BatchNormalization",
    "Relu",
}
BORDERS = ("QuantizeLinear", "DequantizeLinear")
# Operations that take integers and give floats, without rounding.
EXITS = ("DequantizeLinear", "Cast")


def optimized_nodes(model_bytes: bytes) -> list[NodeProto]:
    """The nodes of the graph that onnxruntime runs on this machine for a file's content, in order.

    Raises ArtifactError for what onnxruntime does not load.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="edgeae.") as folder:
        path = Path(folder) / "optimized.onnx"
        _session(model_bytes, path)
        return list(onnx.load(path).graph.node)


def check_layers(graph: GraphProto) -> None:
    """Raise ArtifactError unless a float network can run in integers; the error names the layer.

        input -> standardisation -> [convolutions, Relu, moves] -> Mul or Sub -> anything

    The brackets hold the convolutions, the moves that lead to one, and all that depends on one. The
    node after them has another tensor for its other input, and no convolution follows it.
    """
    before_conv = _tensors_before_convolutions(graph)
    relative_input = relative_input_of(graph)
    before_network = {node.name for node in relative_input.nodes} if relative_input else set()
    if not before_conv:
        raise ArtifactError("the network has no convolution: nothing to quantize")
    integers: set[str] = set()  # tensors in the brackets
    variable = {value.name for value in graph.input}  # tensors that depend on the input
    for node in graph.node:
        if variable.isdisjoint(node.input):
            continue
        variable.update(node.output)
        n_integer_inputs = len(integers.intersection(node.input))
        leads_to_conv = not before_conv.isdisjoint(node.output)
        if node.op_type in NETWORK:
            if n_integer_inputs or leads_to_conv or node.op_type == "Conv":
                integers.update(node.output)
        elif n_integer_inputs:
            if node.op_type not in AFTER_NETWORK or n_integer_inputs > 1 or leads_to_conv:
                raise _stays_in_float(node)
        elif leads_to_conv and node.op_type not in STANDARDISE and node.name not in before_network:
            raise _stays_in_float(node)


def _tensors_before_convolutions(graph: GraphProto) -> set[str]:
    """The tensors that a convolution depends on."""
    tensors: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or not tensors.isdisjoint(node.output):
            tensors.update(node.input)
    return tensors


def _stays_in_float(node: NodeProto) -> ArtifactError:
    return ArtifactError(
        f"{node.name}: {node.op_type} stays in float; allowed are {', '.join(NETWORK)}, "
        f"and what `rewrite` turns into them: ConvTranspose, BatchNormalization"
    )


def assert_integer(model_bytes: bytes) -> None:
    """Raise ArtifactError, naming the nodes, unless the network runs in integers from end to end.

    That is: one QuantizeLinear and one DequantizeLinear, nothing but integer convolutions and moves
    between the two, at least one convolution, and no layer in float elsewhere.
    """
    nodes = optimized_nodes(model_bytes)
    wrong = _in_float(nodes)
    for border in BORDERS:
        borders = [node for node in nodes if node.op_type == border]
        if len(borders) > 1:
            wrong += borders
    if wrong:
        names = ", ".join(f"{node.op_type} {node.name}" for node in wrong)
        raise ArtifactError(f"the network does not run in integers throughout: {names}")
    missing = {"QLinearConv", *BORDERS} - {node.op_type for node in nodes}
    if missing:
        raise ArtifactError(f"the network is not quantized: it has no {', '.join(sorted(missing))}")


def _in_float(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """The layers in float, and the nodes that are not allowed between Quantize and Dequantize."""
    wrong: list[NodeProto] = []
    integers: set[str] = set()
    for node in nodes:
        inside = not integers.isdisjoint(node.input) and node.op_type not in EXITS
        if inside or node.op_type == "QuantizeLinear":
            integers.update(node.output)
        is_wrong = node.op_type not in INTEGER if inside else node.op_type in WEIGHTED
        if is_wrong:
            wrong.append(node)
    return wrong


def assert_same(
    before: ModelProto, after: ModelProto, tolerance: float = 1e-4, *, inside: bool = True
) -> None:
    """Raise ArtifactError unless two float networks compute the same.

    The error names the first layer that differs.

    Both get the same seeded noise. Each tensor that both have under one name is compared: `rewrite`
    keeps the names of the outputs of layers, so an error is found at its layer.

    tolerance: allowed difference, as a share of the greatest value of the tensor. A step that loses
        a bias or mixes channels differs by far more, rounding by far less.
    inside: compare the tensors between the layers as well, and not the outputs alone.
    """
    made_by = {name: node for node in before.graph.node for name in node.output}
    kept = {name for node in after.graph.node for name in node.output}
    names = [output.name for output in before.graph.output]
    lost = [name for name in names if name not in kept]
    if lost:
        raise ArtifactError(f"the rewritten network does not give {', '.join(lost)}")
    if inside:
        names = [name for name in made_by if name in kept]
    expected = _values_for_noise(before, names)
    actual = _values_for_noise(after, names)
    for name in names:
        _compare(_layer_of(made_by, name), expected[name], actual[name], tolerance)


def _layer_of(made_by: dict[str, NodeProto], tensor: str) -> str:
    """The layer that gives a tensor; a Relu or BatchNormalization after a layer belongs to it."""
    node = made_by[tensor]
    while node.op_type in ("Relu", "BatchNormalization") and node.input[0] in made_by:
        node = made_by[node.input[0]]
    return node.name or tensor


def _compare(layer: str, expected: Array, actual: Array, tolerance: float) -> None:
    if expected.shape != actual.shape:
        raise ArtifactError(
            f"{layer}: the rewritten network gives shape {actual.shape} instead of {expected.shape}"
        )
    if not expected.size:
        return
    difference = np.abs(actual - expected).max()
    max_difference = tolerance * np.abs(expected).max()
    if not difference <= max_difference:
        raise ArtifactError(
            f"{layer}: the rewritten network differs by {difference:.3g}, "
            f"allowed is {max_difference:.3g}"
        )


def _values_for_noise(model: ModelProto, names: Sequence[str]) -> dict[str, Array]:
    """The tensors ``names`` that a network computes for seeded noise, 2 along each free axis."""
    session = observe(model, names)
    network_input = session.get_inputs()[0]
    shape = [length if isinstance(length, int) else 2 for length in network_input.shape]
    noise = np.random.default_rng(0).normal(-40.0, 20.0, shape).astype(np.float32)  # dB
    return dict(zip(names, session.run(list(names), {network_input.name: noise}), strict=True))


def observe(model: ModelProto, names: Sequence[str]) -> onnxruntime.InferenceSession:
    """A session of a network that can also give its inner tensors ``names``."""
    import onnx

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    outputs = {output.name for output in model.graph.output}
    observed.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in names if name not in outputs
    )
    return _session(observed.SerializeToString())


def _session(model_bytes: bytes, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that an optimized graph fits this machine only
    options.intra_op_num_threads = 1
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    try:
        return onnxruntime.InferenceSession(
            model_bytes, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise ArtifactError(f"onnxruntime does not load the network: {error}") from error
