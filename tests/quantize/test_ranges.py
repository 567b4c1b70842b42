import numpy as np
import onnx
import pytest

from edgeae.quantize.ranges import measure_ranges
from edgeae.quantize.verify import observe
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.system.arrays import Float32

SHAPE = ("n", 4, 3)  # patches, frames, bands


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    """Bands as channels of one convolution and a Relu; the input itself is no layer's."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Neg", ["x"], ["z"]),
        helper.make_node("Transpose", ["z"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["t", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    weight = np.diag([1, 2, -3])[:, :, None].astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ("n", 3, 4))],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def patches(n: int, seed: int) -> Float32:
    return np.random.default_rng(seed).normal(size=(n, 4, 3)).astype(np.float32)


def test_each_channel_has_its_minimum_and_maximum(model: onnx.ModelProto) -> None:
    blocks = [patches(70, 0), patches(1, 1), patches(130, 2)]
    ranges = measure_ranges(model, iter(blocks))
    assert set(ranges) == {"z", "t", "c", "y"}
    for name in ("t", "c", "y"):
        (values,) = observe(model, [name]).run([name], {"x": np.concatenate(blocks)})
        expected = [values.min(axis=(0, 2)), values.max(axis=(0, 2))]
        np.testing.assert_allclose(ranges[name], expected, rtol=1e-6)


def test_a_relu_has_no_values_below_zero(model: onnx.ModelProto) -> None:
    low, high = measure_ranges(model, [patches(10, 0)])["y"]
    assert (low == 0).all()
    assert (high > 0).all()


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no patches"),
        ([np.zeros((4, 3), np.float32)], "shape"),
        ([np.full((1, 4, 3), np.nan, np.float32)], "finite"),
    ],
)
def test_patches_that_cannot_be_used_are_refused(
    model: onnx.ModelProto, blocks: list[Float32], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        measure_ranges(model, blocks)
