"""Look at what onnxruntime makes of a file: is it integer throughout, does it still compute the same?"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeae.runtime.errors import ArtifactError

if TYPE_CHECKING:
    import onnxruntime
    from onnx import GraphProto, ModelProto, NodeProto

Values = NDArray[Any]

MOVES = (
    "Transpose",
    "Reshape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
    "Concat",
)  # only place elements elsewhere
NETWORK = ("Conv", "Relu", *MOVES)  # what becomes integer
STANDARDISE = ("Sub", "Div", "Mul", "Add", "Round", "Clip")  # what may stand before it, in float
LEAVE = (
    "Sub",
    "Mul",
)  # what may stand behind it: minus the input, after each band has got its size
INTEGER = ("QLinearConv", *MOVES)  # what onnxruntime makes of it
WEIGHTED = {  # what must not be left in float
    *(
        "Conv",
        "FusedConv",
        "NhwcFusedConv",
        "ConvTranspose",
        "Gemm",
        "FusedGemm",
        "BatchNormalization",
        "Relu",
    ),
}
BORDERS = ("QuantizeLinear", "DequantizeLinear")


def optimized_nodes(model_bytes: bytes) -> list[NodeProto]:
    """The nodes of the graph that onnxruntime runs on this machine for a file's content, in order.

    Raises ArtifactError for what onnxruntime does not load.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="edgeae.") as folder:
        path = Path(folder) / "optimized.onnx"
        _session(model_bytes, path)
        return list(onnx.load(path).graph.node)


def optimized_ops(model_bytes: bytes) -> Counter[str]:
    """How often each operation stands in the graph that onnxruntime runs for a file's content."""
    return Counter(node.op_type for node in optimized_nodes(model_bytes))


def check_layers(graph: GraphProto) -> None:
    """Raise ArtifactError, naming the layer, unless a float network can run in integers from end to end.

        input -> standardisation -> [convolutions, Relu, moves] -> Mul or Sub -> anything

    What is in the brackets is found by the convolutions: the moves that lead to one, and all that
    depends on one. What leads out has something else for its other input, and no convolution follows.
    """  # fmt: skip
    followed = _followed(graph)
    if not followed:
        raise ArtifactError("the network has no convolution: nothing to quantize")
    integers: set[str] = set()  # tensors in the brackets
    moving = {value.name for value in graph.input}  # all that is no constant
    for node in graph.node:
        if moving.isdisjoint(node.input):
            continue
        moving.update(node.output)
        inside, goes_on = (
            len(integers.intersection(node.input)),
            bool(followed.intersection(node.output)),
        )
        if node.op_type in NETWORK:
            if inside or goes_on or node.op_type == "Conv":
                integers.update(node.output)
        elif inside:
            if node.op_type not in LEAVE or inside > 1 or goes_on:
                raise _refusal(node)
        elif goes_on and node.op_type not in STANDARDISE:
            raise _refusal(node)


def _followed(graph: GraphProto) -> set[str]:
    """The tensors that a convolution follows."""
    followed: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or followed.intersection(node.output):
            followed.update(node.input)
    return followed


def _refusal(node: NodeProto) -> ArtifactError:
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
        found = [node for node in nodes if node.op_type == border]
        wrong += found if len(found) > 1 else []
    if wrong:
        names = ", ".join(f"{node.op_type} {node.name}" for node in wrong)
        raise ArtifactError(f"the network does not run in integers throughout: {names}")
    missing = {"QLinearConv", *BORDERS} - {node.op_type for node in nodes}
    if missing:
        raise ArtifactError(f"the network is not quantized: it has no {', '.join(sorted(missing))}")


def _in_float(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """The layers in float, and what has no place between Quantize and Dequantize."""
    wrong: list[NodeProto] = []
    integers: set[str] = set()
    for node in nodes:
        inside = not integers.isdisjoint(node.input) and node.op_type != "DequantizeLinear"
        if inside or node.op_type == "QuantizeLinear":
            integers.update(node.output)
        if (inside and node.op_type not in INTEGER) or (not inside and node.op_type in WEIGHTED):
            wrong.append(node)
    return wrong


def assert_same(
    before: ModelProto, after: ModelProto, tolerance: float = 1e-4, *, inside: bool = True
) -> None:
    """Raise ArtifactError, naming the first layer that differs, unless two float networks compute the same.

    Each tensor that both compute under one name is compared for a seeded noise. `rewrite` keeps the
    names of what its layers give, so each of its steps is checked where it stands. Without `inside` only
    the outputs are. The greatest difference may be `tolerance` times the greatest value of the tensor: a
    step that loses a bias or mixes channels differs by far more, rounding by far less.
    """
    made_by = {name: node for node in before.graph.node for name in node.output}
    kept = {name for node in after.graph.node for name in node.output}
    outputs = [output.name for output in before.graph.output]
    lost = [name for name in outputs if name not in kept]
    if lost:
        raise ArtifactError(f"the rewritten network does not give {', '.join(lost)}")
    names = [name for name in made_by if name in kept] if inside else outputs
    expected, found = (_values(model, names) for model in (before, after))
    for name in names:
        _compare(_layer(made_by, name), expected[name], found[name], tolerance)


def _layer(made_by: dict[str, NodeProto], tensor: str) -> str:
    """The layer that gives a tensor: what a Relu or BatchNormalization behind it gives is its, too."""
    node = made_by[tensor]
    while node.op_type in ("Relu", "BatchNormalization") and node.input[0] in made_by:
        node = made_by[node.input[0]]
    return node.name or tensor


def _compare(layer: str, expected: Values, found: Values, tolerance: float) -> None:
    if expected.shape != found.shape:
        raise ArtifactError(
            f"{layer}: the rewritten network gives shape {found.shape} instead of {expected.shape}"
        )
    if not expected.size:
        return
    worst, limit = np.abs(found - expected).max(), tolerance * np.abs(expected).max()
    if not worst <= limit:
        raise ArtifactError(
            f"{layer}: the rewritten network differs by {worst:.3g}, allowed is {limit:.3g}"
        )


def _values(model: ModelProto, names: Sequence[str]) -> dict[str, Values]:
    """The tensors `names` that a network computes for a seeded noise, 2 along each free axis."""
    session = observe(model, names)
    given = session.get_inputs()[0]
    shape = [length if isinstance(length, int) else 2 for length in given.shape]
    noise = np.random.default_rng(0).normal(-40.0, 20.0, shape).astype(np.float32)  # dB
    return dict(zip(names, session.run(list(names), {given.name: noise}), strict=True))


def observe(model: ModelProto, names: Sequence[str]) -> onnxruntime.InferenceSession:
    """A session of a network that can also give the tensors `names` inside of it."""
    import onnx

    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    given = {output.name for output in model.graph.output}
    observed.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in names if name not in given
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
