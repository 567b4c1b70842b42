"""The ONNX network computes what torch does, and becomes integer from end to end."""

from collections import Counter

import numpy as np
import pytest

from edgeae.quantize.qdq import quantize
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.torch_to_onnx import MAX_PARITY_ERROR, check_parity, identity_matrix, to_onnx
from edgeae.quantize.training_set import TrainingSet
from edgeae.quantize.verify import assert_integer, optimized_nodes
from edgeae.runtime import ArtifactError
from edgeae.train.architectures import Autoencoder, build
from edgeae.train.checkpoint_network import load_network
from edgeae.train.config import Config, load_config
from edgeae.train.run_folder import best_checkpoint
from tests.conftest import Trained

NETWORKS = ("edge", "cnn2d", "dense")
FLOAT_LAYERS = {"Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "Gemm", "FusedGemm"}


def random_network(name: str) -> tuple[Autoencoder, Config]:
    """A network with weights and batch statistics of some training, without the training."""
    import torch

    torch.manual_seed(0)
    config = load_config(name)
    network = build(config.model, config.mel.n_mels)
    network.set_statistics(torch.full((128,), -60.0), torch.full((128,), 8.0))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval(), config


@pytest.mark.parametrize("name", NETWORKS)
def test_float_network_equals_torch(name: str, training_set: TrainingSet) -> None:
    network, config = random_network(name)
    model = rewrite(to_onnx(network, config))
    patches = training_set.patches(config.model.patch_frames)
    error = check_parity(network, model, config, np.concatenate(patches[:4]))
    assert error <= MAX_PARITY_ERROR


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_have_the_names_of_torch(name: str) -> None:
    import torch

    network, config = random_network(name)
    names = {node.name for node in to_onnx(network, config).graph.node}
    layers = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d)
    for module_name, module in network.named_modules():
        if isinstance(module, layers):
            assert module_name in names


@pytest.mark.parametrize(
    ("name", "convolutions", "transposes"), [("edge", 9, 0), ("dense", 10, 0), ("cnn2d", 19, 6)]
)
def test_int8_network_runs_in_integers_with_no_more_moves_than_needed(
    name: str, convolutions: int, transposes: int, training_set: TrainingSet
) -> None:
    """What onnxruntime runs. Doubling rows and columns takes a Transpose in the image network."""
    network, config = random_network(name)
    model = rewrite(to_onnx(network, config))
    patches = training_set.patches(config.model.patch_frames)[:4]
    quantized = quantize(model, patches, identity=identity_matrix(network))
    assert_integer(quantized.SerializeToString())
    ops = Counter(node.op_type for node in optimized_nodes(quantized.SerializeToString()))
    assert (ops["QuantizeLinear"], ops["DequantizeLinear"]) == (1, 1)
    assert ops["QLinearConv"] == convolutions
    assert [node.op_type for node in model.graph.node].count("Conv") == convolutions
    assert (ops["Transpose"], ops["DepthToSpace"]) == (transposes, 0)
    assert not FLOAT_LAYERS & set(ops)


def test_parity_is_refused_when_onnx_computes_otherwise(
    trained: Trained, training_set: TrainingSet
) -> None:
    network, config = load_network(best_checkpoint(trained.run))
    model = rewrite(to_onnx(network, config))
    network.mean += 0.5
    with pytest.raises(ArtifactError, match="differs from torch"):
        check_parity(network, model, config, training_set.patches(32)[0])
