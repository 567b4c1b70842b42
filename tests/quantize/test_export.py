"""Export: what ships computes what was trained, and is whole."""

import numpy as np
import pytest

from edgeae.quantize import drift, export
from edgeae.quantize.verify import assert_integer, optimized_ops
from edgeae.runtime import Artifact, ArtifactError, Detector
from edgeae.runtime.artifact import SECTIONS
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.selftest import check
from edgeae.train.config import load_config
from edgeae.train.fleet import read_sound
from edgeae.train.models import build
from edgeae.train.module import load_network
from edgeae.train.training import best_checkpoint

NETWORKS = ("edge", "cnn2d", "dense")


@pytest.fixture(scope="module")
def sound(trained):
    return read_sound(trained.data, load_config("tiny"), print, skip_bad=False)


def _random_network(name):
    """A network with weights and batch statistics of some training, without the training."""
    import torch

    torch.manual_seed(0)
    config = load_config(name)
    network = build(config.model, config.mel.n_mels)
    network.set_statistics(torch.full((128,), -60.0), torch.full((128,), 8.0))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval(), config


@pytest.mark.parametrize("name", NETWORKS)
def test_float_network_equals_torch_and_int8_is_integer_throughout(name, sound):
    network, config = _random_network(name)
    model = export.rewrite(export.to_onnx(network, config))
    patches = sound.patches(config.model.patch_frames)
    assert export.check_parity(network, model, config, np.concatenate(patches[:4])) <= export.PARITY
    quantized = export.quantize(model, patches[:4], headroom=export.HEADROOM).SerializeToString()
    assert_integer(quantized)
    ops = optimized_ops(quantized)
    assert not {"Conv", "FusedConv", "ConvTranspose", "MatMul", "Gemm"} & set(ops)


def test_parity_is_refused_when_onnx_computes_otherwise(trained, sound):
    network, config = load_network(best_checkpoint(trained.run))
    model = export.rewrite(export.to_onnx(network, config))
    network.mean += 0.5
    with pytest.raises(ArtifactError, match="differs from torch"):
        export.check_parity(network, model, config, sound.patches(32)[0])


@pytest.mark.parametrize("which", ["float_", "int8"])
def test_artifact_carries_every_section_and_passes_its_selftest(trained, which):
    artifact = Artifact.read(getattr(trained, which))
    missing = [name for name in SECTIONS[1:] if artifact.sections[name] is None]
    assert missing == ([] if which == "int8" else ["quantization"])
    assert "passed" in check(Detector(artifact))


def test_int8_network_is_under_a_third_of_float_and_under_220_kib(trained):
    sizes = [len(Artifact.read(path).network_bytes()) for path in (trained.float_, trained.int8)]
    assert sizes[1] <= 0.3 * sizes[0]
    assert sizes[1] <= 220 * 1024


def test_scores_of_int8_rank_as_those_of_float(trained, sound):
    rows = {row.name: row for row in drift.compare(Artifact.read(trained.float_), Artifact.read(trained.int8), sound)}
    assert rows["rank correlation of the scores"].int8 > 0.99
    assert rows["mean squared residual"].int8 == pytest.approx(rows["mean squared residual"].float_, rel=0.02)
    assert "ratio" in drift.table(list(rows.values()))


def test_patches_cover_every_frame(sound):
    frames = sound.frames[0]
    patches = export.Sound(sound.recordings[:1], [frames]).patches(32)[0]
    assert np.array_equal(patches[-1], frames[-32:])
    assert len(patches) == -(-len(frames) // 32)


def test_run_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no checkpoint"):
        export.export(tmp_path, int8=True, report=print)


def test_provenance_names_data_configuration_and_versions(trained):
    origin = Artifact.read(trained.int8).sections["provenance"]
    assert origin["config"]["model"]["name"] == "edge"
    assert len(origin["data"]["fingerprint"]) == 64
    assert origin["data"]["recordings"] == 48
    assert set(export.PACKAGES) <= set(origin["versions"])


def test_window_is_no_longer_than_the_training_recordings(trained):
    assert Detector.load(trained.int8).window == pytest.approx(4 * 1.024)  # clips of 4 s, 10 s as configured
