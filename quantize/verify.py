"""Look at what onnxruntime makes of a file: is it integer throughout, does it still compute the same?"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.network import STATISTICS

if TYPE_CHECKING:
    import onnxruntime
    from onnx import ModelProto, NodeProto

FLOAT_LAYERS = {
    *("Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"),
    *("BatchNormalization", "Relu", "Clip"),
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


def assert_integer(model_bytes: bytes) -> None:
    """Raise ArtifactError, naming the nodes, unless the network runs in integers from end to end.

    That is: one QuantizeLinear and one DequantizeLinear, at least one QLinearConv, and no layer in
    float anywhere. Only a DequantizeLinear turns integers back into float, so nothing between the
    two can then be in float.
    """
    nodes = optimized_nodes(model_bytes)
    wrong = [node for node in nodes if node.op_type in FLOAT_LAYERS and not node.name.startswith(f"{STATISTICS}.")]
    for border in BORDERS:
        found = [node for node in nodes if node.op_type == border]
        wrong += found if len(found) > 1 else []
    if wrong:
        names = ", ".join(f"{node.op_type} {node.name}" for node in wrong)
        raise ArtifactError(f"the network does not run in integers throughout: {names}")
    missing = {"QLinearConv", *BORDERS} - {node.op_type for node in nodes}
    if missing:
        raise ArtifactError(f"the network is not quantized: it has no {', '.join(sorted(missing))}")


def assert_same(before: ModelProto, after: ModelProto, tolerance: float = 1e-4) -> None:
    """Raise ArtifactError unless two float networks give the same output for a seeded noise.

    The greatest difference may be `tolerance` times the greatest output: a step of the export that
    loses a bias or mixes channels differs by far more, rounding by far less.
    """
    session = _session(before.SerializeToString())
    given = session.get_inputs()[0]
    shape = [length if isinstance(length, int) else 2 for length in given.shape]
    noise = np.random.default_rng(0).normal(-40.0, 20.0, shape).astype(np.float32)  # dB
    expected = session.run(None, {given.name: noise})[0]
    result = _session(after.SerializeToString()).run(None, {given.name: noise})[0]
    if expected.shape != result.shape:
        raise ArtifactError(f"the rewritten network gives shape {result.shape} instead of {expected.shape}")
    worst, limit = np.abs(result - expected).max(), tolerance * np.abs(expected).max()
    if not worst <= limit:
        raise ArtifactError(f"the rewritten network differs by {worst:.3g}, allowed is {limit:.3g}")


def _session(model_bytes: bytes, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that an optimized graph fits this machine only
    options.intra_op_num_threads = 1
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    try:
        return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise ArtifactError(f"onnxruntime does not load the network: {error}") from error
