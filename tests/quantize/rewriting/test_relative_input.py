"""A network with an identity embedding reads patches without level or bands, exactly in int8."""

import numpy as np
import onnx
import pytest
import torch

from edgeae.quantize.integer_residual import input_range
from edgeae.quantize.qdq import quantize
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.rewriting.relative_input import (
    relative_input_of,
    standardised_input,
    use_whole_numbers,
)
from edgeae.quantize.statistics_output import with_statistics
from edgeae.quantize.torch_to_onnx import identity_matrix, to_onnx
from edgeae.runtime.model.onnx_checks import check_model
from edgeae.runtime.system.arrays import Float32
from edgeae.train.architectures import MASKING_STD_DB, Autoencoder, build
from edgeae.train.config import Config, load_config
from tests.quantize.small_networks import inner

STD = np.linspace(4, 12, 128).astype(np.float32)  # dB
N_MASKED = 3


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("tiny", ["model.embedding=4"])


@pytest.fixture(scope="module", params=["level", "bands"])
def network(config: Config, request: pytest.FixtureRequest) -> Autoencoder:
    torch.manual_seed(0)
    built = build(config.model, config.mel.n_mels)
    assert built.relative_input is not None
    built.relative_input.subtracted = request.param
    std = STD.copy()
    std[-N_MASKED:] = MASKING_STD_DB
    built.set_statistics(torch.full((128,), -60.0), torch.from_numpy(std))
    return built.eval()


@pytest.fixture(scope="module")
def float_model(network: Autoencoder, config: Config) -> onnx.ModelProto:
    return rewrite(to_onnx(network, config))


@pytest.fixture(scope="module")
def quantized(network: Autoencoder, float_model: onnx.ModelProto) -> onnx.ModelProto:
    return quantize(float_model, [sound(60, 1)], identity=identity_matrix(network))


def sound(n: int, seed: int) -> Float32:
    noise = np.random.default_rng(seed).normal(size=(n, 32, 128))
    frames: Float32 = (-60 + STD * noise).astype(np.float32)
    frames[..., -N_MASKED:] = -100
    return frames


def louder(patches: Float32, gain_db: float) -> Float32:
    gained = patches + np.float32(gain_db)
    gained[..., -N_MASKED:] = patches[..., -N_MASKED:]
    return gained


@pytest.mark.parametrize("gain_db", [-12.0, 3.0, 20.0])
def test_a_gain_changes_neither_embedding_nor_residual(
    network: Autoencoder, gain_db: float
) -> None:
    patches = sound(4, 2)
    with torch.inference_mode():
        for function in (network.embedding, network):
            before = function(torch.from_numpy(patches))
            after = function(torch.from_numpy(louder(patches, gain_db)))
            torch.testing.assert_close(before, after, atol=1e-4, rtol=0)


def test_a_filter_changes_nothing_where_the_bands_are_subtracted(network: Autoencoder) -> None:
    patches = sound(4, 2)
    filtered = patches + np.linspace(-9, 9, 128, dtype=np.float32)
    filtered[..., -N_MASKED:] = patches[..., -N_MASKED:]
    with torch.inference_mode():
        before, after = (network.embedding(torch.from_numpy(each)) for each in (patches, filtered))
    assert network.relative_input is not None
    is_equal = torch.allclose(before, after, atol=1e-4, rtol=0)
    assert is_equal == (network.relative_input.subtracted == "bands")


def test_what_is_subtracted_is_stored_with_the_weights(
    network: Autoencoder, config: Config
) -> None:
    loaded = build(config.model, config.mel.n_mels)
    loaded.load_state_dict(network.state_dict())
    patches = torch.from_numpy(sound(2, 6))
    torch.testing.assert_close(loaded.eval().embedding(patches), network.embedding(patches))


def test_the_statistics_are_of_the_input_with_its_level(
    network: Autoencoder, float_model: onnx.ModelProto
) -> None:
    model = with_statistics(float_model, identity=identity_matrix(network))
    patches = sound(3, 3)
    (statistics,) = inner(model, patches, "statistics")
    z = network.standardised(torch.from_numpy(patches)).numpy()
    np.testing.assert_allclose(statistics[:, 0, :128], z.sum(axis=1), atol=1e-3)


def test_the_runtime_accepts_the_network_in_float_and_in_int8(
    network: Autoencoder, float_model: onnx.ModelProto, quantized: onnx.ModelProto
) -> None:
    for model in (with_statistics(float_model, identity=identity_matrix(network)), quantized):
        check_model(model.SerializeToString())


@pytest.mark.parametrize("gain_db", [0.0, 9.0])
def test_what_an_int8_network_subtracts_is_exact(
    network: Autoencoder, quantized: onnx.ModelProto, gain_db: float
) -> None:
    """The same as by whole numbers of 64 bits."""
    difference = next(node for node in quantized.graph.node if "residual.units" in node.output)
    read = difference.input[1]
    z_name = standardised_input(quantized.graph, read)
    assert z_name != read
    patches = louder(sound(8, 4), gain_db)
    z, relative, total = inner(quantized, patches, z_name, read, "bands.sum")
    values = {t.name: onnx.numpy_helper.to_array(t) for t in quantized.graph.initializer}
    np.testing.assert_array_equal(z, np.round(z))
    np.testing.assert_array_equal(total, z.astype(np.int64).sum(axis=1, keepdims=True))
    subtracted = np.round(total * values["bands.share"])
    assert network.relative_input is not None
    if network.relative_input.subtracted == "level":
        weights = values["level.weights"]
        np.testing.assert_array_equal(weights, np.round(weights))
        level = subtracted.astype(np.int64) @ weights.astype(np.int64)
        subtracted = np.round(level.astype(np.float32) * values["level.decibel"])
    np.testing.assert_array_equal(relative, z - subtracted)


def test_an_int8_network_gives_nearly_the_same_embedding_at_another_gain(
    quantized: onnx.ModelProto,
) -> None:
    patches = sound(40, 5)
    (embedding,) = inner(quantized, patches, "identity")
    (at_gain,) = inner(quantized, louder(patches, 6.0), "identity")
    assert np.abs(at_gain - embedding).mean() < 0.05 * embedding.std(axis=0).mean()


def test_the_input_range_is_that_at_the_mean_level_of_the_training(
    quantized: onnx.ModelProto,
) -> None:
    low_db, high_db = input_range(quantized)
    assert (low_db[:-N_MASKED] < -60).all()
    assert (high_db[:-N_MASKED] > -60).all()


def test_a_network_that_reads_z_itself_stays_as_it_is() -> None:
    config = load_config("tiny")
    model = to_onnx(build(config.model, config.mel.n_mels).eval(), config)
    before = model.SerializeToString()
    assert relative_input_of(model.graph) is None
    use_whole_numbers(model.graph)
    assert model.SerializeToString() == before
    residual = model.graph.node[-1]
    assert standardised_input(model.graph, residual.input[1]) == residual.input[1]
