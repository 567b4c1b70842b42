"""The networks in int8, one patch and several at once, against float.

Weights are random: they change no time.
"""

from functools import partial

import numpy as np
import onnxruntime
import pytest
import torch
from figures import Record
from paired import paired

from edgeae.runtime import log_mel
from edgeae.runtime.scoring.selftest import seeded_noise

PATCHES = {1: 1 / 1.5, 6: 1 / 2.2, 10: 1 / 2.2}  # how many at once: most of the time of float
TARGETS = {"cnn2d": dict.fromkeys(PATCHES, 1 / 2.5)}  # where a network has others
SIZE = 0.3  # most of the bytes of float
FLOAT = "onnxruntime in float"
Forms = tuple[str, torch.nn.Module, list[bytes]]


@pytest.fixture(scope="module", params=["edge", "dense", "cnn2d"])
def forms(request: pytest.FixtureRequest) -> Forms:
    network, graphs = _forms(request.param)
    return request.param, network, graphs


def _forms(name: str) -> tuple[torch.nn.Module, list[bytes]]:
    """The network in torch, and its ONNX graphs.

    These are float with the residual alone, float with statistics and int8 with statistics.
    """
    from edgeae.quantize.qdq import quantize
    from edgeae.quantize.rewriting.conv_transpose import rewrite
    from edgeae.quantize.statistics_output import with_statistics
    from edgeae.quantize.torch_to_onnx import identity_matrix, to_onnx
    from edgeae.train.architectures import build
    from edgeae.train.config import load_config

    config = load_config(name)
    network = build(config.model, config.mel.n_mels).eval()
    model = rewrite(to_onnx(network, config))
    patches = np.random.default_rng(0).standard_normal((8, 32, 128)).astype(np.float32)
    identity = identity_matrix(network)
    float_ = with_statistics(model, identity=identity)
    graphs = (model, float_, quantize(model, [patches], identity=identity))
    return network, [graph.SerializeToString() for graph in graphs]


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])


@pytest.mark.parametrize("patches", PATCHES)
def test_int8_is_faster_than_float(record: Record, forms: Forms, patches: int) -> None:
    """Both graphs give the statistics; torch, and one float graph, the residual alone."""
    name, network, graphs = forms
    frames = np.resize(log_mel(seeded_noise(1, 16000 * 11)), (patches, 32, 128))
    works = [partial(_session(graph).run, None, {"log_mel": frames}) for graph in graphs]
    with torch.inference_mode():
        found = paired(*works, lambda: network(torch.from_numpy(frames)))
    bare, float_, int8, torch_ = (1e6 * seconds for seconds in found)
    what = f"{name}, int8, {patches} patch{'es' * (patches > 1)}"
    target = TARGETS.get(name, PATCHES)[patches]
    record(what, int8, "us", f"{FLOAT}, residual alone", bare)
    record(what, int8, "us", "torch, residual alone", torch_)
    # Processors without instructions for int8 gain less.
    record(what, int8, "us", FLOAT, float_, target, limit=1.0)


def test_int8_is_smaller_than_float(record: Record, forms: Forms) -> None:
    name, _, (_, float_, int8) = forms
    record(f"{name}, int8, network", len(int8) / 1024, "KiB", FLOAT, len(float_) / 1024, SIZE)
