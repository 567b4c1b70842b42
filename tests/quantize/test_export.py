"""Export: what ships computes what was trained, and is whole."""

import re

import numpy as np
import pytest

from edgeae.quantize import error as drift
from edgeae.quantize import export
from edgeae.quantize.cli import MAX_DRIFT
from edgeae.quantize.training_set import read_training_set
from edgeae.quantize.verify import assert_integer, optimized_ops
from edgeae.runtime import Artifact, ArtifactError, Detector
from edgeae.runtime.commands.cli import run_command
from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.artifact import SECTIONS
from edgeae.runtime.scoring.selftest import check
from edgeae.train.config import load_config
from edgeae.train.lightning_module import load_network
from edgeae.train.networks import build
from edgeae.train.run_folder import best_checkpoint

NETWORKS = ("edge", "cnn2d", "dense")


@pytest.fixture(scope="module")
def sound(trained):
    return read_training_set(trained.data, load_config("tiny"), print, skip_bad=False)


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
def test_float_network_equals_torch(name, sound):
    network, config = _random_network(name)
    model = export.rewrite(export.to_onnx(network, config))
    patches = sound.patches(config.model.patch_frames)
    assert export.check_parity(network, model, config, np.concatenate(patches[:4])) <= export.PARITY


@pytest.mark.parametrize(
    ("name", "convolutions", "transposes"), [("edge", 9, 0), ("dense", 10, 0), ("cnn2d", 19, 6)]
)
def test_int8_network_runs_in_integers_with_no_more_moves_than_needed(
    name, convolutions, transposes, sound
):
    """What onnxruntime makes of it. Twice as many rows and columns take a Transpose in the image network."""
    network, config = _random_network(name)
    model = export.rewrite(export.to_onnx(network, config))
    quantized = export.quantize(
        model, sound.patches(config.model.patch_frames)[:4], headroom=export.HEADROOM
    )
    assert_integer(quantized.SerializeToString())
    ops = optimized_ops(quantized.SerializeToString())
    assert (ops["QuantizeLinear"], ops["DequantizeLinear"]) == (1, 1)
    assert (
        ops["QLinearConv"]
        == convolutions
        == [node.op_type for node in model.graph.node].count("Conv")
    )
    assert (ops["Transpose"], ops["DepthToSpace"]) == (transposes, 0)
    assert not {"Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "Gemm", "FusedGemm"} & set(
        ops
    )


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
    compared = drift.compare(Artifact.read(trained.float_), Artifact.read(trained.int8), sound)
    rows = {row.name: row for row in compared.rows}
    assert rows["rank correlation of the scores"].int8 > 0.99
    assert rows["mean squared residual"].int8 == pytest.approx(
        rows["mean squared residual"].float_, rel=0.02
    )
    assert rows["score drift, rms without its mean"].int8 == compared.drift < MAX_DRIFT
    assert "ratio" in str(compared)


def test_drift_is_what_moves_scores_against_each_other():
    scores = np.array([0.0, 2.0, 4.0, 6.0])
    moved = np.array([0.1, -0.1, 0.1, -0.1])
    assert drift.score_drift(scores, scores + 5) == pytest.approx(0)
    assert drift.score_drift(scores, scores + moved + 5) == pytest.approx(0.1 / np.std(scores))
    assert drift.score_drift(scores, 3 * scores) == pytest.approx(2)
    assert drift.score_drift(scores[:1], scores[:1] + 1) == pytest.approx(
        10
    )  # nothing to move against but itself


def test_few_clips_that_score_alike_do_not_make_a_drift_of_noise():
    scores = np.array([1.0, 1.001, 0.999])
    assert drift.score_drift(scores, scores + np.array([0.001, 0, 0])) < 0.01


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [0]), (3, [0, 2, 4]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])]
)
def test_clips_are_evenly_spread(most, expected):
    assert drift.evenly_spread(range(5), most) == expected


def test_an_int8_network_that_drifts_too_far_is_not_written(trained, tmp_path, capsys):
    target = tmp_path / "model.onnx"
    before = {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    assert (
        run_command(
            ["export", str(trained.run), "--int8", "--max-drift", "1e-6", "-o", str(target)]
        )
        == 3
    )
    assert run_command(["export", str(trained.run), "--int8", "--max-drift", "1e-6"]) == 3
    assert not target.exists()
    assert before == {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    printed = capsys.readouterr()
    assert printed.out == ""
    message = printed.err.splitlines()[-1]
    assert re.search(r"scores by 0\.0\d\d .*% by (input|body\.\d+)\), allowed is 1e-06", message)
    assert "--max-drift" in message


def test_export_prints_the_layers_and_writes_a_network_that_drifts_little(
    trained, tmp_path, capsys
):
    target = tmp_path / "model.onnx"
    assert run_command(["export", str(trained.run), "--int8", "-o", str(target)]) == 0
    assert "share of drift  on 18 normal test clips" in capsys.readouterr().err
    assert target.exists()


def test_normal_test_recordings_are_unheard(trained, tmp_path):
    config = load_config("tiny")
    assert len(export.held_out(trained.data, config, print)) == 18
    assert export.held_out(tmp_path, config, print) == []


def test_patches_cover_every_frame(sound):
    frames = sound.frames[0]
    patches = export.TrainingSet(sound.recordings[:1], [frames]).patches(32)[0]
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
    assert Detector.load(trained.int8).window == pytest.approx(
        4 * 1.024
    )  # clips of 4 s, 10 s as configured
