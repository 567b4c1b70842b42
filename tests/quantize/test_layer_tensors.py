"""The tensors of each layer in both networks, and single layers that are rounded."""

import numpy as np
import onnx
import pytest

from edgeae.quantize.layer_tensors import Step, Tensor, quantize_only, tensors_of
from edgeae.quantize.qdq import quantize
from tests.quantize.small_networks import run, sound


@pytest.fixture(scope="module")
def int8(rewritten: onnx.ModelProto) -> onnx.ModelProto:
    return quantize(rewritten, [sound(20, 1)])


@pytest.fixture(scope="module")
def layers(rewritten: onnx.ModelProto, int8: onnx.ModelProto) -> dict[str, list[Tensor]]:
    return tensors_of(rewritten.graph, int8.graph)


def test_an_integer_is_a_number_of_steps_from_zero() -> None:
    step = Step(np.array(0.5, np.float32), np.array(-10, np.int8))
    assert step.dequantized(np.array([-10, -8, 10], np.int8)).tolist() == [0, 1, 10]


def test_each_convolution_has_an_output_and_a_weight(
    rewritten: onnx.ModelProto, layers: dict[str, list[Tensor]]
) -> None:
    assert next(iter(layers)) == "input"
    [network_input] = layers["input"]
    assert network_input.weight is None
    outputs = [tensor for name, group in layers.items() if name != "input" for tensor in group]
    convolutions = [node for node in rewritten.graph.node if node.op_type == "Conv"]
    assert len(outputs) == len(convolutions)
    parameters = {tensor.name: tuple(tensor.dims) for tensor in rewritten.graph.initializer}
    for tensor in outputs:
        assert tensor.weight
        assert tensor.weight.value.shape == parameters[tensor.weight.name]


def test_the_weights_are_those_of_the_float_network_up_to_half_a_step(
    rewritten: onnx.ModelProto, layers: dict[str, list[Tensor]]
) -> None:
    parameters = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in rewritten.graph.initializer
    }
    for tensor in (tensor for group in layers.values() for tensor in group if tensor.weight):
        assert tensor.weight
        exact = parameters[tensor.weight.name]
        largest = np.abs(exact).max(axis=tuple(range(1, exact.ndim)), keepdims=True)
        assert (np.abs(tensor.weight.value - exact) <= 0.51 * largest / 127 + 1e-7).all()


def test_a_network_with_one_rounded_layer_is_between_both(
    rewritten: onnx.ModelProto, layers: dict[str, list[Tensor]]
) -> None:
    x = sound(4, 2)
    exact = run(rewritten, x)
    everything = [tensor for group in layers.values() for tensor in group]
    one = run(quantize_only(rewritten, everything[2:3]), x)
    every = run(quantize_only(rewritten, everything), x)
    assert 0 < np.abs(one - exact).mean() < np.abs(every - exact).mean()


def test_without_a_layer_nothing_is_rounded(rewritten: onnx.ModelProto) -> None:
    x = sound(2, 3)
    before = rewritten.SerializeToString()
    np.testing.assert_array_equal(run(quantize_only(rewritten, []), x), run(rewritten, x))
    assert rewritten.SerializeToString() == before
