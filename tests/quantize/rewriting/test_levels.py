"""A network that reads levels from 0 to 1 and ends in a Sigmoid, in integers."""

import numpy as np
import onnx
import pytest
import torch

from edgeae.quantize.integer_residual import input_range
from edgeae.quantize.layer_tensors import tensors_of
from edgeae.quantize.qdq import quantize
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.torch_to_onnx import check_parity, to_onnx
from edgeae.quantize.verify import assert_integer, assert_same, optimized_nodes
from edgeae.runtime import Artifact
from edgeae.runtime.model.network import Network
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import Autoencoder, build
from edgeae.train.config import Config, load_config

SIDE = 64  # the smallest image of origin


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("origin", [f"model.patch_frames={SIDE}", f"mel.n_mels={SIDE}"])


@pytest.fixture(scope="module")
def network(config: Config) -> Autoencoder:
    torch.manual_seed(0)
    network = build(config.model, SIDE)
    network.set_statistics(torch.linspace(-20, -60, SIDE), torch.full((SIDE,), 5.0))
    return network.eval()


@pytest.fixture(scope="module")
def patches() -> Float32:
    noise = np.random.default_rng(0).standard_normal((6, SIDE, SIDE))
    return np.asarray(np.linspace(-20, -60, SIDE) + 5 * noise, np.float32)


@pytest.fixture(scope="module")
def model(network: Autoencoder, config: Config) -> onnx.ModelProto:
    return to_onnx(network, config)


@pytest.fixture(scope="module")
def quantized(model: onnx.ModelProto, patches: Float32) -> onnx.ModelProto:
    return quantize(rewrite(model), [patches])


def test_the_float_network_equals_torch(
    network: Autoencoder, config: Config, model: onnx.ModelProto, patches: Float32
) -> None:
    rewritten = rewrite(model)
    assert not {"Pad", "ConvTranspose"} & {node.op_type for node in rewritten.graph.node}
    assert_same(model, rewritten)
    assert check_parity(network, rewritten, config, patches) < 1e-4


def test_it_runs_in_integers_from_end_to_end(quantized: onnx.ModelProto) -> None:
    content = quantized.SerializeToString()
    assert_integer(content)
    assert not {"Sigmoid", "Clip"} & {node.op_type for node in optimized_nodes(content)}


def test_the_int8_residual_is_that_of_float_and_a_whole_number_of_units(
    model: onnx.ModelProto, quantized: onnx.ModelProto, config: Config, patches: Float32
) -> None:
    in_float = with_statistics(rewrite(model)).SerializeToString()
    exact = Network(Artifact.build(in_float, config.mel)).residual(patches)
    residual = Network(Artifact.build(quantized.SerializeToString(), config.mel)).residual(patches)
    assert np.std(residual - exact) < 0.05 * np.std(exact)
    np.testing.assert_array_equal(residual * 64, np.round(residual * 64))


def test_level_0_is_the_integer_0_and_no_level_is_above_1(quantized: onnx.ModelProto) -> None:
    low_db, high_db = input_range(quantized)
    np.testing.assert_allclose(low_db, -90, atol=1e-3)
    assert 0 < high_db.max() < 24.5


def test_its_layers_can_be_compared(model: onnx.ModelProto, quantized: onnx.ModelProto) -> None:
    layers = tensors_of(rewrite(model).graph, quantized.graph)
    assert len(layers) == 11
    assert next(iter(layers)) == "input"
