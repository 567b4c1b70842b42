"""`rewrite` changes how a ConvTranspose is computed and never what it gives."""

import math
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from onnx.reference import ReferenceEvaluator

from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.rewriting.polyphase import plan_axis
from edgeae.quantize.verify import assert_same
from edgeae.runtime.errors import ArtifactError
from tests.quantize.small_networks import Values, run


@dataclass
class Layer:
    """One ConvTranspose with what may stand behind it."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]  # all starts, then all ends
    output_padding: tuple[int, ...]
    channels: tuple[int, int] = (3, 2)
    bias: bool = True
    norm: bool = False
    relu: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def lengths(self) -> list[int]:
        rank = len(self.sizes)
        axes = zip(self.sizes, self.kernel, self.strides, self.output_padding, strict=True)
        return [
            (n - 1) * s + k + extra - self.pads[i] - self.pads[rank + i]
            for i, (n, k, s, extra) in enumerate(axes)
        ]

    def parameters(self, dtype: DTypeLike) -> dict[str, Values]:
        rng = np.random.default_rng(0)
        inner, outer = self.channels
        parameters = {"w": rng.normal(size=(inner, outer, *self.kernel))}
        if self.bias:
            parameters["b"] = rng.normal(size=outer)
        if self.norm:
            parameters |= {name: rng.normal(size=outer) for name in ("gamma", "beta", "mean")}
            parameters["var"] = rng.uniform(0.5, 2.0, outer)
        return {name: value.astype(dtype) for name, value in parameters.items()}

    def input(self, dtype: DTypeLike) -> Values:
        return (
            np.random.default_rng(1).normal(size=(2, self.channels[0], *self.sizes)).astype(dtype)
        )

    def model(self, dtype: DTypeLike = np.float32) -> onnx.ModelProto:
        helper = onnx.helper
        inputs = ["x", "w", "b"] if self.bias else ["x", "w"]
        nodes = [
            helper.make_node(
                "ConvTranspose",
                inputs,
                ["0"],
                "up",
                strides=self.strides,
                pads=self.pads,
                output_padding=self.output_padding,
                **self.attributes,
            )
        ]
        if self.norm:
            nodes.append(
                helper.make_node(
                    "BatchNormalization", ["0", "gamma", "beta", "mean", "var"], ["1"], "norm"
                )
            )
        if self.relu:
            nodes.append(helper.make_node("Relu", [nodes[-1].output[0]], ["2"], "relu"))
        return build(nodes, self.parameters(dtype), (None, self.channels[0], *self.sizes), dtype)


def build(
    nodes: list[onnx.NodeProto],
    parameters: dict[str, Values],
    shape: tuple[int | None, ...],
    dtype: DTypeLike = np.float32,
) -> onnx.ModelProto:
    """A model from `x` of a shape to the output of the last node."""
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], kind, [None] * len(shape))],
        [onnx.numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def scatter(layer: Layer, x: Values, w: Values, **p: Values) -> Values:
    """The definition of ConvTranspose in float64: each input position writes its kernel, scaled."""
    axes = list(zip(layer.sizes, layer.kernel, layer.strides, layer.output_padding, strict=True))
    full = np.zeros((len(x), w.shape[1], *((n - 1) * s + k + extra for n, k, s, extra in axes)))
    for tap in product(*(range(k) for k in layer.kernel)):
        places = tuple(
            slice(j, j + (n - 1) * s + 1, s) for j, (n, _, s, _) in zip(tap, axes, strict=True)
        )
        weight = w.reshape(*w.shape[:2], -1)[:, :, np.ravel_multi_index(tap, layer.kernel)]
        full[(slice(None), slice(None), *places)] += np.einsum("ni...,io->no...", x, weight)
    cuts = zip(layer.pads, layer.lengths, strict=False)
    kept = tuple(slice(start, start + length) for start, length in cuts)
    y = full[(slice(None), slice(None), *kept)]
    ones = (1,) * len(axes)
    y = y + p["b"].reshape(-1, *ones) if layer.bias else y
    if layer.norm:
        gamma, beta, mean, var = (
            p[key].reshape(-1, *ones) for key in ("gamma", "beta", "mean", "var")
        )
        y = (y - mean) / np.sqrt(var + 1e-5) * gamma + beta
    return np.maximum(y, 0.0) if layer.relu else y


@st.composite
def layers(draw: st.DrawFn, rank: int) -> Layer:
    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    strides = numbers(1, 4)
    extra = tuple(draw(st.integers(0, s - 1)) for s in strides)
    pads = tuple(draw(st.integers(0, 4)) for _ in range(2 * rank))
    channels = (draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 8])))  # 8: phases apart
    layer = Layer(
        sizes=numbers(1, 6),
        kernel=numbers(1, 6),
        strides=strides,
        pads=pads,
        output_padding=extra,
        channels=channels,
        bias=draw(st.booleans()),
        norm=draw(st.booleans()),
        relu=draw(st.booleans()),
    )
    assume(min(layer.lengths) > 0)
    return layer


def defined(model: onnx.ModelProto, x: Values) -> Values:
    """What the reference implementation of ONNX gives."""
    (output,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert isinstance(output, np.ndarray)
    return output


def ops(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@settings(max_examples=60, deadline=None)
@given(st.one_of(layers(1), layers(2)))
def test_equals_the_original_in_onnxruntime(layer: Layer) -> None:
    before = layer.model()
    x = layer.input(np.float32)
    after = rewrite(before)
    onnx.checker.check_model(after, full_check=True)
    expected = run(before, x)
    assert "ConvTranspose" not in ops(after)
    np.testing.assert_allclose(
        run(after, x), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )
    assert_same(before, after)


@settings(max_examples=60, deadline=None)
@given(st.one_of(layers(1), layers(2)))
def test_equals_the_definition_in_float64(layer: Layer) -> None:
    x = layer.input(np.float64)
    result = defined(rewrite(layer.model(np.float64)), x)
    expected = scatter(layer, x, **layer.parameters(np.float64))
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("bias", "norm", "relu"), list(product([False, True], repeat=3)))
def test_bias_batchnorm_and_relu_go_together(rank: int, bias: bool, norm: bool, relu: bool) -> None:
    """No tap reaches the positions of an output padding: they follow from the bias alone."""
    layer = Layer(
        sizes=(5,) * rank,
        kernel=(3,) * rank,
        strides=(3,) * rank,
        pads=(1,) * rank + (0,) * rank,
        output_padding=(2,) * rank,
        bias=bias,
        norm=norm,
        relu=relu,
    )
    x = layer.input(np.float64)
    result = defined(rewrite(layer.model(np.float64)), x)
    np.testing.assert_allclose(
        result, scatter(layer, x, **layer.parameters(np.float64)), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(
    ("layer", "cost"),
    [
        ((4, 2, 1, 0), (2, 2)),
        ((3, 2, 1, 1), (2, 0)),
        ((5, 2, 2, 1), (3, 0)),
        ((5, 1, 4, 0), (5, 0)),
    ],
)
def test_layers_of_the_presets_take_the_fewest_taps(
    rank: int, layer: tuple[int, int, int, int], cost: tuple[int, int]
) -> None:
    kernel, stride, pad, extra = layer
    axis = plan_axis(8, kernel, stride, (pad, pad), extra)
    assert (axis.taps, axis.cropped) == cost
    model = Layer(
        (8,) * rank, (kernel,) * rank, (stride,) * rank, (pad,) * 2 * rank, (extra,) * rank
    ).model()
    assert ops(rewrite(model)).count("Slice") == bool(axis.cropped)


def test_stride_1_becomes_a_plain_convolution() -> None:
    assert ops(rewrite(Layer((8,), (5,), (1,), (4, 4), (0,), relu=True).model())) == [
        "Conv",
        "Relu",
    ]


def test_padding_wider_than_the_kernel_is_right() -> None:
    layer = Layer((9,), (2,), (1,), (3, 2), (0,))
    np.testing.assert_allclose(
        run(rewrite(layer.model()), layer.input(np.float32)),
        scatter(layer, layer.input(np.float32), **layer.parameters(np.float32)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_relu_goes_before_the_shuffle() -> None:
    assert ops(rewrite(Layer((8,), (4,), (2,), (1, 1), (0,), norm=True, relu=True).model())) == [
        *("Conv", "Relu", "Transpose", "Reshape", "Slice", "Transpose")
    ]


def test_the_model_given_is_left_as_it_was() -> None:
    model = Layer((8,), (4,), (2,), (1, 1), (0,), norm=True, relu=True).model()
    content = model.SerializeToString()
    rewrite(model)
    assert model.SerializeToString() == content


def test_batchnorm_after_conv_is_folded() -> None:
    rng = np.random.default_rng(0)
    make = onnx.helper.make_node
    parameters = {
        "w": rng.normal(size=(4, 3, 3)),
        "b": rng.normal(size=4),
        "var": rng.uniform(0.5, 2, 4),
    }
    parameters |= {name: rng.normal(size=4) for name in ("gamma", "beta", "mean")}
    nodes = [
        make("Conv", ["x", "w", "b"], ["c"], "conv"),
        make(
            "BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"], "norm", epsilon=1e-2
        ),
    ]
    model = build(nodes, {k: v.astype(np.float32) for k, v in parameters.items()}, (None, 3, 16))
    assert ops(rewrite(model)) == ["Conv"]
    assert_same(model, rewrite(model), tolerance=1e-6)


def test_parameters_behind_identity_and_constant_nodes_are_found() -> None:
    layer = Layer((8,), (4,), (2,), (1, 1), (0,), norm=True)
    make = onnx.helper.make_node
    model = layer.model()
    parameters = layer.parameters(np.float32)
    beta = onnx.numpy_helper.from_array(parameters["beta"])
    nodes = [make("Identity", ["var"], ["var2"]), make("Constant", [], ["beta2"], value=beta)]
    old = list(model.graph.node)
    old[1].input[:] = ["0", "gamma", "beta2", "mean", "var2"]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])
    expected = scatter(layer, layer.input(np.float32), **parameters)
    np.testing.assert_allclose(
        run(rewrite(model), layer.input(np.float32)), expected, rtol=1e-4, atol=1e-5
    )


def test_nothing_but_the_new_parameters_stays_in_the_file() -> None:
    model = rewrite(Layer((8,), (4,), (2,), (1, 1), (0,), norm=True).model())
    assert {t.name for t in model.graph.initializer} <= {
        n for node in model.graph.node for n in node.input
    }


@pytest.mark.parametrize(
    "attributes",
    [{"group": 3}, {"dilations": [2]}, {"auto_pad": "SAME_UPPER"}, {"output_shape": [16]}],
)
def test_what_cannot_be_rewritten_is_refused_with_the_name_of_the_layer(
    attributes: dict[str, Any],
) -> None:
    with pytest.raises(ArtifactError, match="up: a ConvTranspose"):
        rewrite(Layer((8,), (4,), (2,), (1, 1), (0,), attributes=attributes).model())


def test_a_free_length_in_time_is_refused() -> None:
    layer = Layer((8,), (4,), (2,), (1, 1), (0,))
    model = layer.model()
    model.graph.input[0].type.tensor_type.shape.dim[2].Clear()
    with pytest.raises(ArtifactError, match=r"up: .* known length"):
        rewrite(model)


def test_a_batchnorm_without_a_convolution_is_refused() -> None:
    parameters = {name: np.ones(3, np.float32) for name in ("gamma", "beta", "mean", "var")}
    node = onnx.helper.make_node("BatchNormalization", ["x", *parameters], ["y"], "norm")
    with pytest.raises(ArtifactError, match=r"norm: .* must follow a convolution"):
        rewrite(build([node], parameters, (None, 3, 16)))


def test_a_lost_bias_is_noticed() -> None:
    layer = Layer((8,), (4,), (2,), (1, 1), (0,))
    lossy = rewrite(layer.model())
    bias = next(t for t in lossy.graph.initializer if t.name.endswith("bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(np.zeros(4, np.float32), bias.name))
    with pytest.raises(ArtifactError, match="differs by"):
        assert_same(layer.model(), lossy, tolerance=1e-3)


@pytest.mark.parametrize(("kernel", "pad"), [(3, 1), (5, 2)])
def test_unequal_phases_become_convolutions_without_padded_taps(kernel: int, pad: int) -> None:
    layer = Layer((4, 8), (kernel,) * 2, (2, 2), (pad,) * 4, (1, 1), (3, 16), relu=True)
    after = rewrite(layer.model())
    weights = [t for t in after.graph.initializer if t.name.endswith("weight")]
    assert ops(after)[:9] == ["Conv", "Relu"] * 4 + ["Concat"]
    assert sum(math.prod(t.dims) for t in weights) == 3 * 16 * kernel**2


def test_the_cost_of_the_phases_is_known() -> None:
    """4 taps and stride 2 cost what the ConvTranspose cost: no tap is padding."""
    axis = plan_axis(16, 4, 2, (1, 1), 0)
    assert axis.taps * axis.stride == 4
    assert math.prod((axis.blocks, axis.stride)) == axis.length + axis.cropped
