"""Only networks that become integer throughout are quantized; a wrong rewriting is located."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.verify import (
    assert_integer,
    assert_same,
    check_layers,
    observe,
    optimized_nodes,
)
from edgeae.runtime.errors import ArtifactError

Values = NDArray[Any]

node = onnx.helper.make_node
STANDARDISE = [node("Sub", ["x", "mean"], ["centred"]), node("Div", ["centred", "std"], ["z"])]
ENTRY = [
    node("Transpose", ["z"], ["zt"], perm=[0, 2, 1]),
    node("Conv", ["zt", "w"], ["a"], "first", pads=[1, 1]),
]
EXIT = [
    node("Conv", ["b", "w"], ["c"], "last", pads=[1, 1]),
    node("Transpose", ["c"], ["r"], perm=[0, 2, 1]),
    node("Sub", ["r", "z"], ["residual"], "difference"),
]
RELU = [node("Relu", ["a"], ["b"], "layer")]


def network(*nodes: onnx.NodeProto, **values: Values) -> onnx.ModelProto:
    """(n, 8, 4) -> the same shape, with these parameters and some that are always there."""
    helper = onnx.helper
    kind = onnx.TensorProto.FLOAT
    shape: list[str | int] = ["n", 8, 4]
    values |= {
        "mean": np.full(4, -40),
        "std": np.full(4, 20),
        "zero": np.zeros(4),
        "one": np.ones(4),
    }
    values |= {
        "w": np.random.default_rng(0).normal(size=(4, 4, 3)),
        "square": np.eye(8),
        "half": np.array(0.5),
    }
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("residual", kind, shape)],
        [
            onnx.numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in values.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def between(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A network with these nodes between two convolutions, from `a` to `b`."""
    return network(*STANDARDISE, *ENTRY, *nodes, *EXIT)


REFUSED = {
    "Dropout": [node("Dropout", ["a"], ["b"], "layer")],
    "Resize": [node("Resize", ["a", "", "scales"], ["b"], "layer", mode="nearest")],
    "Upsample": [node("Upsample", ["a", "scales"], ["b"], "layer", mode="nearest")],
    "MaxPool": [node("MaxPool", ["a"], ["b"], "layer", kernel_shape=[3], pads=[1, 1])],
    "AveragePool": [node("AveragePool", ["a"], ["b"], "layer", kernel_shape=[3], pads=[1, 1])],
    "Sigmoid": [node("Sigmoid", ["a"], ["b"], "layer")],
    "Tanh": [node("Tanh", ["a"], ["b"], "layer")],
    "LeakyRelu": [node("LeakyRelu", ["a"], ["b"], "layer")],
    "PRelu": [node("PRelu", ["a", "half"], ["b"], "layer")],
    "Elu": [node("Elu", ["a"], ["b"], "layer")],
    "Clip": [node("Clip", ["a", "half"], ["b"], "layer")],
    "Add": [node("Add", ["a", "zt"], ["b"], "layer")],
    "Mul": [node("Mul", ["a", "half"], ["b"], "layer")],
    "Sub": [node("Sub", ["a", "zt"], ["b"], "layer")],
    "Softmax": [node("Softmax", ["a"], ["b"], "layer")],
    "MatMul": [node("MatMul", ["a", "square"], ["b"], "layer")],
    "LayerNormalization": [node("LayerNormalization", ["a", "half"], ["b"], "layer")],
    "BatchNormalization": [
        node("BatchNormalization", ["a", "one", "zero", "zero", "one"], ["b"], "layer")
    ],
    "ConvTranspose": [node("ConvTranspose", ["a", "w"], ["b"], "layer", pads=[1, 1])],
    "AFutureOperation": [node("AFutureOperation", ["a"], ["b"], "layer")],
}


@pytest.mark.parametrize("op", REFUSED)
def test_a_layer_without_an_integer_form_is_named(op: str) -> None:
    with pytest.raises(
        ArtifactError, match=rf"^layer: {op} stays in float; allowed are Conv, Relu, .*Batch"
    ):
        check_layers(between(*REFUSED[op]).graph)


@pytest.mark.parametrize(
    "nodes",
    [
        [
            *ENTRY,
            *RELU,
            node("Conv", ["b", "w"], ["c"], pads=[1, 1]),
            node("Add", ["c", "a"], ["d"], "layer"),
        ],
        [
            *ENTRY,
            *RELU,
            node("Conv", ["b", "w"], ["c"], pads=[1, 1]),
            node("Tanh", ["c"], ["d"], "layer"),
        ],
        [
            *ENTRY,
            *RELU,
            node("Conv", ["b", "w"], ["c"], pads=[1, 1]),
            node("Sub", ["c", "a"], ["d"], "layer"),
        ],
    ],
    ids=["skip", "bounded", "difference of layers"],
)
def test_a_layer_behind_the_last_convolution_is_named(nodes: list[onnx.NodeProto]) -> None:
    last = [node("Transpose", ["d"], ["r"], perm=[0, 2, 1]), node("Sub", ["r", "z"], ["residual"])]
    with pytest.raises(ArtifactError, match=r"layer: .* stays in float"):
        check_layers(network(*STANDARDISE, *nodes, *last).graph)


@pytest.mark.parametrize("op", ["Sigmoid", "MaxPool", "MatMul", "LayerNormalization"])
def test_a_layer_before_the_first_convolution_is_named(op: str) -> None:
    nodes = [
        node(op, ["z", "square"], ["y"], "layer"),
        node("Transpose", ["y"], ["zt"], perm=[0, 2, 1]),
        ENTRY[1],
    ]
    with pytest.raises(ArtifactError, match=f"layer: {op} stays in float"):
        check_layers(network(*STANDARDISE, *nodes, *RELU, *EXIT).graph)


def test_standardising_after_a_move_is_named() -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("Div", ["t", "half"], ["zt"], "layer"),
        ENTRY[1],
    ]
    with pytest.raises(ArtifactError, match="layer: Div stays in float"):
        check_layers(network(*STANDARDISE, *nodes, *RELU, *EXIT).graph)


def test_a_network_without_a_convolution_is_refused() -> None:
    nodes = [node("MatMul", ["z", "square"], ["r"]), EXIT[-1]]
    with pytest.raises(ArtifactError, match="no convolution"):
        check_layers(network(*STANDARDISE, *nodes).graph)


COUNTED = [
    node("Mul", ["x", "half"], ["scaled"]),
    node("Add", ["scaled", "mean"], ["shifted"]),
    node("Round", ["shifted"], ["rounded"]),
    node("Clip", ["rounded", "half"], ["z"]),
]
STATISTICS = [
    node("Mul", ["residual", "half"], ["counts"]),
    node("Concat", ["z", "counts"], ["both"], axis=2),
    node("Slice", ["both", "half", "half"], ["later"]),
    node("MatMul", ["square", "later"], ["statistics"]),
]
SKIP = [node("Concat", ["a", "zt"], ["b"], "layer", axis=1)]


BANDS = [node("Mul", ["r", "half"], ["bands"]), node("Sub", ["bands", "z"], ["residual"])]


@pytest.mark.parametrize(
    "nodes",
    [
        [*STANDARDISE, *ENTRY, *RELU, *EXIT],
        [*STANDARDISE, *ENTRY, *RELU, *EXIT[:-1], *BANDS],
        [*COUNTED, *ENTRY, *RELU, *EXIT],
        [*STANDARDISE, *ENTRY, *SKIP, *EXIT],
        [node("Identity", ["square"], ["w"]), *STANDARDISE, *ENTRY, *RELU, *EXIT],
        [*STANDARDISE, *ENTRY, *RELU, *EXIT, *STATISTICS],
        [*STANDARDISE, *ENTRY, *RELU, *EXIT[:-1], node("Sub", ["z", "r"], ["residual"])],
    ],
    ids=[
        "plain",
        "bands of their own size",
        "counted in units",
        "joined",
        "constant made by a node",
        "with statistics",
        "input minus reconstruction",
    ],
)
def test_what_becomes_integer_passes(nodes: list[onnx.NodeProto]) -> None:
    check_layers(network(*nodes).graph)


def test_a_float_layer_beside_the_integers_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"does not run in integers throughout: .*Conv.* first"):
        assert_integer(between(*RELU).SerializeToString())


def quantized(*nodes: onnx.NodeProto) -> bytes:
    """A network with these nodes, from `q` to `p`, between Quantize and Dequantize."""
    step = ["step", "zero_point"]
    border = [
        node("QuantizeLinear", ["x", *step], ["q"]),
        node("DequantizeLinear", ["p", *step], ["residual"]),
    ]
    model = network(border[0], *nodes, border[1])
    values = {"step": np.float32(0.5), "zero_point": np.uint8(128)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(v), name) for name, v in values.items()
    )
    return bytes(model.SerializeToString())


def test_an_operation_between_quantize_and_dequantize_that_is_not_known_is_named() -> None:
    pool = node("MaxPool", ["q"], ["p"], "pool", kernel_shape=[3], pads=[1, 1])
    with pytest.raises(ArtifactError, match="does not run in integers throughout: MaxPool"):
        assert_integer(quantized(pool))


def test_a_network_without_an_integer_convolution_is_not_quantized() -> None:
    with pytest.raises(ArtifactError, match="not quantized: it has no QLinearConv"):
        assert_integer(quantized(node("Transpose", ["q"], ["p"], perm=[2, 1, 0])))


def test_optimized_nodes_are_in_order() -> None:
    nodes = optimized_nodes(between(*RELU).SerializeToString())
    places = {name: i for i, each in enumerate(nodes) for name in each.output}
    assert all(places.get(name, -1) < i for i, each in enumerate(nodes) for name in each.input)


def test_observed_tensors_are_what_the_layers_give() -> None:
    model = between(*RELU)
    x = np.random.default_rng(0).normal(-40, 20, (3, 8, 4)).astype(np.float32)
    a, b, residual = observe(model, ["a", "b", "residual"]).run(["a", "b", "residual"], {"x": x})
    np.testing.assert_array_equal(b, np.maximum(a, 0))
    np.testing.assert_array_equal(residual, observe(model, []).run(None, {"x": x})[0])


def spoiled(
    model: onnx.ModelProto, name: str, change: Callable[[Values], Values]
) -> onnx.ModelProto:
    """The same network with another value of a parameter."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    tensor.CopyFrom(
        onnx.numpy_helper.from_array(
            change(onnx.numpy_helper.to_array(tensor)).astype(np.float32), name
        )
    )
    return copy


@pytest.fixture
def deep() -> onnx.ModelProto:
    """Layers one after the other, with all that `rewrite` replaces."""
    rng = np.random.default_rng(0)
    values = {f"w{i}": rng.normal(size=(4, 4, 4)) / 4 for i in range(3)}
    values |= {name: rng.normal(size=4) for name in ("b0", "b1", "b2", "gamma", "beta", "shift")}
    values |= {"variance": np.full(4, 2), "thirty": np.array(30)}
    nodes = [
        node("Div", ["x", "thirty"], ["z"]),
        node("Transpose", ["z"], ["t"], perm=[0, 2, 1]),
        node("Conv", ["t", "w0", "b0"], ["c0"], "down", strides=[2], pads=[1, 1]),
        node("BatchNormalization", ["c0", "gamma", "beta", "shift", "variance"], ["n0"], "norm"),
        node("Relu", ["n0"], ["y0"], "relu0"),
        node("ConvTranspose", ["y0", "w1", "b1"], ["c1"], "up", strides=[2], pads=[1, 1]),
        node("Relu", ["c1"], ["y1"], "relu1"),
        node("ConvTranspose", ["y1", "w2", "b2"], ["y2"], "last", pads=[2, 1]),
        node("Transpose", ["y2"], ["r"], perm=[0, 2, 1]),
        node("Sub", ["r", "z"], ["residual"]),
    ]
    model = network(*nodes, **values)
    onnx.checker.check_model(model, full_check=True)
    return model


def test_rewriting_keeps_the_name_of_what_each_layer_gives(deep: onnx.ModelProto) -> None:
    after = rewrite(deep)
    assert {"y0", "y1", "y2", "residual"} <= {
        name for each in after.graph.node for name in each.output
    }
    assert_same(deep, after)


def parameter(model: onnx.ModelProto, convolution: str, i: int) -> str:
    """The name of the weight (1) or the bias (2) of a convolution."""
    node = next(each for each in model.graph.node if each.name == convolution)
    return str(node.input[i])


@pytest.mark.parametrize("i", [1, 2], ids=["weight", "bias"])
@pytest.mark.parametrize(
    ("convolution", "layer"), [("down", "down"), ("up.conv0", "up"), ("last.conv0", "last")]
)
def test_the_first_layer_that_differs_is_named(
    deep: onnx.ModelProto, convolution: str, layer: str, i: int
) -> None:
    after = rewrite(deep)
    wrong = spoiled(after, parameter(after, convolution, i), lambda value: 1.01 * value)
    with pytest.raises(ArtifactError, match=f"^{layer}: the rewritten network differs by"):
        assert_same(deep, wrong)


def test_a_difference_that_the_output_does_not_show_is_found(deep: onnx.ModelProto) -> None:
    """The last layer does not read what the one before gives, so no output tells of its fold."""
    deaf = spoiled(deep, "w2", np.zeros_like)
    after = rewrite(deaf)
    wrong = spoiled(after, parameter(after, "down", 2), lambda value: value + 1)
    x = np.random.default_rng(0).normal(-40, 20, (2, 8, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        *(observe(model, []).run(None, {"x": x})[0] for model in (deaf, wrong))
    )
    with pytest.raises(ArtifactError, match=r"^down: "):
        assert_same(deaf, wrong)


def test_only_outputs_are_compared_when_asked_for(deep: onnx.ModelProto) -> None:
    """Half as large inside, twice as large after it."""
    other = spoiled(deep, "gamma", lambda value: value / 2)
    other = spoiled(other, "beta", lambda value: value / 2)
    other = spoiled(other, "w1", lambda value: 2 * value)
    assert_same(deep, other, inside=False)
    with pytest.raises(ArtifactError, match=r"^down: "):
        assert_same(deep, other)


def test_values_that_are_no_numbers_are_a_difference(deep: onnx.ModelProto) -> None:
    after = rewrite(deep)
    with pytest.raises(ArtifactError, match=r"^up: .* differs by nan"):
        assert_same(
            deep, spoiled(after, parameter(after, "up.conv0", 2), lambda value: value * np.nan)
        )


def test_another_shape_is_a_difference(deep: onnx.ModelProto) -> None:
    longer = onnx.ModelProto()
    longer.CopyFrom(deep)
    longer.graph.node[7].attribute[0].ints[:] = [2, 2]
    before = onnx.ModelProto()
    before.CopyFrom(deep)
    after = onnx.ModelProto()
    after.CopyFrom(longer)
    for model in (before, after):
        del model.graph.node[8:]
        model.graph.output[0].CopyFrom(
            onnx.helper.make_tensor_value_info("y2", onnx.TensorProto.FLOAT, [None] * 3)
        )
    with pytest.raises(ArtifactError, match=r"^last: .* gives shape"):
        assert_same(before, after)


def test_a_lost_output_is_named(deep: onnx.ModelProto) -> None:
    other = rewrite(deep)
    other.graph.node[-1].output[0] = "something"
    other.graph.output[0].name = "something"
    with pytest.raises(ArtifactError, match="does not give residual"):
        assert_same(deep, other)
