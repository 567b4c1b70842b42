"""Even channels: the same function, and less noise in 8 bits."""

import numpy as np
import onnx
import onnxruntime
import pytest

from edgeae.quantize.equalize import equalize
from edgeae.quantize.qdq import quantize
from edgeae.quantize.ranges import measure_ranges
from edgeae.quantize.rewriting.conv_transpose import rewrite
from edgeae.quantize.rewriting.fold_batchnorm import fold
from edgeae.quantize.torch_to_onnx import to_onnx
from edgeae.quantize.verify import assert_same
from edgeae.train.architectures import build
from edgeae.train.config import load_config

HEADROOM = 1.5
PATCHES = np.random.default_rng(0).normal(-50, 10, (60, 32, 128)).astype(np.float32)


@pytest.fixture(scope="module", params=["edge", "cnn2d", "dense"])
def folded(request: pytest.FixtureRequest) -> onnx.ModelProto:
    """A network whose channels differ up to a hundredfold and whose reconstruction is loud."""
    import torch

    torch.manual_seed(1)
    config = load_config(request.param)
    network = build(config.model, config.mel.n_mels)
    network.set_statistics(torch.full((128,), -50.0), torch.full((128,), 10.0))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(module.bias, std=0.3)
            module.weight.data = 10 ** torch.empty_like(module.weight).uniform_(-1, 1)
    with torch.no_grad():
        reconstruction = network.eval().reconstruct(torch.randn(60, 32, 128))
        weight = list(network.body.children())[-1].get_parameter("weight")
        weight.mul_(3 / reconstruction.std())  # as large as the input
    return fold(to_onnx(network.eval(), config))


def residual(model: onnx.ModelProto) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["residual"], {"log_mel": PATCHES})[0])


def test_an_even_network_computes_the_same(folded: onnx.ModelProto) -> None:
    made = equalize(folded, measure_ranges(folded, [PATCHES]), HEADROOM)
    onnx.checker.check_model(made, full_check=True)
    assert_same(folded, made, inside=False)


def test_its_channels_move_about_equally_far(folded: onnx.ModelProto) -> None:
    before = measure_ranges(folded, [PATCHES])
    after = measure_ranges(equalize(folded, before, HEADROOM), [PATCHES])
    outputs = {output.name for output in folded.graph.output}  # these keep their sizes
    relu = [node.output[0] for node in folded.graph.node if node.op_type == "Relu"]
    relu = [name for name in relu if name not in outputs]

    for name in relu[:-1]:
        moving = before[name][1] > 1e-2 * before[name][1].max()
        unevenness = [np.std(np.log(extremes[name][1][moving])) for extremes in (before, after)]
        assert unevenness[1] < 0.5 * unevenness[0] + 0.05, name


def test_it_loses_less_in_int8(folded: onnx.ModelProto) -> None:
    exact = residual(folded)
    plain = residual(quantize(rewrite(folded), [PATCHES])) - exact
    made = (
        residual(
            quantize(
                rewrite(equalize(folded, measure_ranges(folded, [PATCHES]), HEADROOM)), [PATCHES]
            )
        )
        - exact
    )
    assert np.square(made).mean() < 0.9 * np.square(plain).mean()


def test_a_channel_that_never_moves_stays_finite(folded: onnx.ModelProto) -> None:
    ranges = {name: extremes * 0 for name, extremes in measure_ranges(folded, [PATCHES]).items()}
    assert np.isfinite(residual(equalize(folded, ranges, HEADROOM))).all()
