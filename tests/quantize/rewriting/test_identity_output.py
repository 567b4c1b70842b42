"""The identity embedding is that of torch, and exact in an int8 network."""

import numpy as np
import onnx
import pytest
import torch

from edgeae.quantize.qdq import quantize
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.rewriting.identity_output import (
    ENCODED,
    MAX_EXACT,
    weight_units,
    with_identity,
)
from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.torch_to_onnx import check_parity, identity_matrix, to_onnx
from edgeae.quantize.verify import assert_integer, assert_same, optimized_nodes
from edgeae.runtime.errors import ArtifactError
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import Autoencoder, build
from edgeae.train.config import Config, load_config
from tests.quantize.small_networks import inner

SIZE = 5


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("tiny", [f"model.embedding={SIZE}"])


@pytest.fixture(scope="module")
def network(config: Config) -> Autoencoder:
    torch.manual_seed(0)
    built = build(config.model, config.mel.n_mels)
    built.set_statistics(torch.full((128,), -60.0), torch.full((128,), 8.0))
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            assert module.running_var is not None
            torch.nn.init.normal_(module.bias, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return built.eval()


@pytest.fixture(scope="module")
def matrix(network: Autoencoder) -> Float32:
    matrix = identity_matrix(network)
    assert matrix is not None
    return matrix


@pytest.fixture(scope="module")
def float_model(network: Autoencoder, config: Config) -> onnx.ModelProto:
    return rewrite(to_onnx(network, config))


@pytest.fixture(scope="module")
def quantized(float_model: onnx.ModelProto, matrix: Float32) -> onnx.ModelProto:
    return quantize(float_model, [sound(60, 1), sound(40, 2)], identity=matrix)


def sound(n: int, seed: int) -> Float32:
    return np.random.default_rng(seed).normal(-60, 8, (n, 32, 128)).astype(np.float32)


def test_the_float_network_gives_the_embedding_of_torch(
    network: Autoencoder, config: Config, float_model: onnx.ModelProto
) -> None:
    assert check_parity(network, float_model, config, sound(8, 3)) < 1e-4


def test_the_int8_network_runs_in_integers_and_gives_nearly_the_same_embedding(
    network: Autoencoder, quantized: onnx.ModelProto
) -> None:
    content = quantized.SerializeToString()
    assert_integer(content)
    operations = [node.op_type for node in optimized_nodes(content)]
    assert operations.count("DequantizeLinear") == 1
    assert operations.count("Transpose") == 0
    patches = sound(30, 4)
    (identity,) = inner(quantized, patches, "identity")
    expected = network.embedding(torch.from_numpy(patches)).numpy()
    assert identity.shape == (30, SIZE)
    error = identity - expected
    error -= error.mean(axis=0)  # a constant has no effect on distances
    assert np.abs(error).mean() < 0.1 * expected.std(axis=0).mean()


def test_the_embedding_of_an_int8_network_is_exact(quantized: onnx.ModelProto) -> None:
    """The same as by whole numbers of 64 bits."""
    pooled, counts, identity = inner(
        quantized, sound(30, 5), "identity.pooled", "identity.counts", "identity"
    )
    values = {t.name: onnx.numpy_helper.to_array(t) for t in quantized.graph.initializer}
    weights = values["identity.whole"].astype(np.int64)
    np.testing.assert_array_equal(pooled, np.round(pooled))
    np.testing.assert_array_equal(counts, pooled.astype(np.int64) @ weights)
    np.testing.assert_array_equal(identity, counts * values["identity.units"])


def test_the_units_keep_the_largest_sum_exact() -> None:
    """300 channels of like weights would exceed it in 8 bits; others use all of the 8 bits."""
    weights = np.random.default_rng(0).normal(size=(600, 4))
    weights[:, 1] = 0
    weights[0, 2] = 1000
    weights[:, 3] = 5
    whole = weights / weight_units(weights, 4)
    largest = np.repeat([255 * 4, 255], 300) @ np.abs(np.round(whole))
    assert largest.max() <= MAX_EXACT
    assert largest[3] > 0.9 * MAX_EXACT
    np.testing.assert_allclose(np.abs(whole).max(axis=0)[[0, 2]], 127)
    assert np.abs(whole).max() <= 127 + 1e-9


def test_the_network_given_is_left_as_it_was(float_model: onnx.ModelProto, matrix: Float32) -> None:
    before = float_model.SerializeToString()
    with_identity(float_model, matrix)
    assert float_model.SerializeToString() == before
    assert [output.name for output in float_model.graph.output] == ["residual", ENCODED]


@pytest.mark.parametrize("is_quantized", [False, True])
def test_the_file_is_valid_onnx(
    float_model: onnx.ModelProto, quantized: onnx.ModelProto, matrix: Float32, is_quantized: bool
) -> None:
    model = quantized if is_quantized else with_statistics(float_model, identity=matrix)
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == ["residual", "statistics", "identity"]


def test_a_wrong_encoder_is_found(float_model: onnx.ModelProto, matrix: Float32) -> None:
    other = with_identity(float_model, matrix * np.float32(1.01))
    with pytest.raises(ArtifactError, match="identity"):
        assert_same(with_identity(float_model, matrix), other, inside=False)
