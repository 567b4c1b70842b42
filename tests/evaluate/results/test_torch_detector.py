"""The torch network computes what the float artifact's network does."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeae.evaluate.results.torch_detector import BATCH_PATCHES, torch_detector
from edgeae.runtime.scoring.detector import Detector
from edgeae.train.run_folder import best_checkpoint
from tests.conftest import Trained


@pytest.fixture(scope="module")
def detectors(trained: Trained) -> tuple[Detector, Detector]:
    """Of the checkpoint and of the float artifact."""
    return torch_detector(trained.run, print), Detector.load(trained.float_)


def test_statistics_and_residuals_are_those_of_the_artifact(
    detectors: tuple[Detector, Detector],
) -> None:
    of_torch, onnx = detectors
    shape = (BATCH_PATCHES + 3, of_torch.network.patch_frames, of_torch.spec.n_mels)
    patches = np.random.default_rng(0).normal(-50, 8, shape).astype(np.float32)
    expected = onnx.network(patches)
    statistics = of_torch.network(patches)
    np.testing.assert_allclose(statistics.sums, expected.sums, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(statistics.identity, expected.identity, rtol=1e-5, atol=2e-4)
    residual = of_torch.network.residual(patches)
    np.testing.assert_allclose(residual, onnx.network.residual(patches), atol=2e-4)
    assert residual.shape == shape
    assert not of_torch.network.out_of_range(patches).any()


def test_head_threshold_and_window_are_those_of_an_export(
    detectors: tuple[Detector, Detector],
) -> None:
    of_torch, onnx = detectors
    assert of_torch.window == onnx.window
    assert of_torch.spec == onnx.spec
    assert of_torch.threshold.value == pytest.approx(onnx.threshold.value, abs=1e-3)
    np.testing.assert_allclose(of_torch.head.mean, onnx.head.mean, atol=1e-3)


@pytest.mark.slow
def test_a_checkpoint_and_its_run_give_the_same_detector(
    trained: Trained, detectors: tuple[Detector, Detector]
) -> None:
    of_run, _ = detectors
    of_file = torch_detector(best_checkpoint(trained.run), print)
    assert of_file.threshold == of_run.threshold


@pytest.mark.slow
def test_the_configuration_of_a_checkpoint_stands_in_the_provenance(
    trained: Trained, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run, run, ignore=shutil.ignore_patterns("cache", "*.onnx"))
    path = best_checkpoint(run)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["edgeae"]["config"]["scoring"]["max_fpr"] = 0.3
    torch.save(checkpoint, path)
    detector = torch_detector(path, print)
    assert detector.artifact.provenance["config"]["scoring"]["max_fpr"] == 0.3
