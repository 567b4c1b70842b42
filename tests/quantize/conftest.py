"""The export of the trained run and small networks, shared by the tests; they only read them."""

import onnx
import pytest
import torch

from edgeae.quantize.export import Export, export
from edgeae.quantize.qdq import quantize
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.training_set import TrainingSet
from tests.conftest import Trained
from tests.quantize.small_networks import NETWORKS, Pair, edge, float_network, sound


@pytest.fixture(scope="session")
def exported(trained: Trained) -> Export:
    """Both artifacts of the trained run, made by this process; tests only read them."""
    return export(trained.run, int8=True, report=print)


@pytest.fixture(scope="session")
def training_set(exported: Export) -> TrainingSet:
    return exported.training_set


@pytest.fixture(scope="session", params=NETWORKS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """A float network as exported and its int8 form."""
    torch.manual_seed(0)
    model = float_network(NETWORKS[request.param]())
    return model, quantize(rewrite(model), [sound(60, 1), sound(40, 2)])


@pytest.fixture(scope="session")
def rewritten() -> onnx.ModelProto:
    torch.manual_seed(0)
    return rewrite(float_network(edge(8)))
