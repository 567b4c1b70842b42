import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeae.quantize.rewriting.fold_zeros import fold_zeros
from edgeae.quantize.verify import assert_same
from edgeae.runtime.errors import ArtifactError

ZEROS = (0, 0, 1, 1, 0, 0, 2, 2)  # of batch, channels and two axes: before, then after


def padded(
    zeros: tuple[int, ...] = ZEROS, value: float = 0.0, mode: str = "constant"
) -> onnx.ModelProto:
    """A convolution of an image with zeros around it."""
    constants = [
        numpy_helper.from_array(np.array(zeros, np.int64), "zeros"),
        numpy_helper.from_array(np.array(value, np.float32), "value"),
        numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "weight"),
    ]
    nodes = [
        helper.make_node("Pad", ["image", "zeros", "value"], ["padded"], "pad", mode=mode),
        helper.make_node("Conv", ["padded", "weight"], ["y"], "conv", strides=[2, 2]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 6, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "padded", [image], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_zeros_become_the_padding_of_the_convolution() -> None:
    model = padded()
    folded = padded()
    fold_zeros(folded.graph)
    assert [node.op_type for node in folded.graph.node] == ["Conv"]
    assert_same(model, folded, inside=False)


@pytest.mark.parametrize(
    "model",
    [padded(value=1.0), padded(mode="reflect"), padded((0, 1, 0, 0, 0, 0, 0, 0))],
    ids=["ones", "a reflection", "channels"],
)
def test_other_padding_is_refused_by_its_name(model: onnx.ModelProto) -> None:
    with pytest.raises(ArtifactError, match=r"^pad: "):
        fold_zeros(model.graph)
