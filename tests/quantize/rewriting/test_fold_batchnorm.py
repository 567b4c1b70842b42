from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

from edgeae.quantize.rewriting.fold_batchnorm import fold
from edgeae.runtime.errors import ArtifactError

PARAMETERS = ("gamma", "beta", "mean", "variance")


def layer(
    op: str = "Conv",
    *,
    bias: bool = True,
    training_mode: int = 0,
    groups: int = 1,
    epsilon: float | None = None,
) -> onnx.ModelProto:
    """A convolution of 3 or 6 channels to 6 and its BatchNormalization, in float64."""
    rng = np.random.default_rng(0)
    make = onnx.helper.make_node
    inner = 6 if groups > 1 else 3
    shape = (6, inner // groups, 3) if op == "Conv" else (inner, 6 // groups, 3)
    values = {name: rng.normal(size=6) for name in ("b", "gamma", "beta", "mean")}
    values["w"] = rng.normal(size=shape)
    values["variance"] = rng.uniform(1e-5, 2e-5, 6)  # as small as epsilon, which therefore counts
    attributes: dict[str, Any] = {} if epsilon is None else {"epsilon": epsilon}
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    outputs = ["y", "running_mean", "running_variance"] if training_mode else ["y"]
    nodes = [
        make(op, inputs, ["c"], "layer", group=groups),
        make("BatchNormalization", ["c", *PARAMETERS], outputs, "norm", training_mode=training_mode,
             **attributes),
    ]  # fmt: skip
    kind = onnx.TensorProto.DOUBLE
    graph = onnx.helper.make_graph(
        nodes,
        "layer",
        [onnx.helper.make_tensor_value_info("x", kind, (None, inner, 8))],
        [onnx.helper.make_tensor_value_info("y", kind, (None, 6, None))],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


def run(model: onnx.ModelProto) -> np.ndarray:
    channels = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    x = np.random.default_rng(1).normal(size=(2, channels, 8))
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    return np.asarray(y)


@pytest.mark.parametrize(
    ("op", "bias", "epsilon"), list(product(["Conv", "ConvTranspose"], [True, False], [None, 1e-3]))
)
def test_one_convolution_computes_the_same(op: str, bias: bool, epsilon: float | None) -> None:
    model = layer(op, bias=bias, epsilon=epsilon)
    folded = fold(model)
    assert [node.op_type for node in folded.graph.node] == [op]
    np.testing.assert_allclose(run(folded), run(model), rtol=1e-6)
    kept = {tensor.name for tensor in folded.graph.initializer}
    assert kept == set(folded.graph.node[0].input[1:])


def test_a_convolution_with_groups_is_folded() -> None:
    model = layer(groups=2)
    np.testing.assert_allclose(run(fold(model)), run(model), rtol=1e-6)


def test_the_model_given_is_left_as_it_was() -> None:
    model = layer()
    before = model.SerializeToString()
    fold(model)
    assert model.SerializeToString() == before


def test_a_transposed_convolution_with_groups_is_refused() -> None:
    with pytest.raises(ArtifactError, match="layer: a ConvTranspose with groups"):
        fold(layer("ConvTranspose", groups=2))


def test_training_mode_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"norm: .* training mode"):
        fold(layer(training_mode=1))


def test_a_convolution_that_something_else_reads_is_refused() -> None:
    model = layer()
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("c", onnx.TensorProto.DOUBLE, (None, 6, None))
    )
    with pytest.raises(ArtifactError, match=r"norm: .* must follow a convolution, and alone"):
        fold(model)


def test_a_parameter_that_is_no_constant_is_refused() -> None:
    model = layer()
    model.graph.node[1].input[1] = "x"
    with pytest.raises(ArtifactError, match="norm: its parameter 'x' must be a constant"):
        fold(model)
