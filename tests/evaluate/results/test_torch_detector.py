"""The torch network computes what the float artifact's network does."""

import numpy as np
import pytest

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
    torch, onnx = detectors
    shape = (BATCH_PATCHES + 3, torch.network.patch_frames, torch.spec.n_mels)
    patches = np.random.default_rng(0).normal(-50, 8, shape).astype(np.float32)
    expected = onnx.network(patches)
    statistics = torch.network(patches)
    np.testing.assert_allclose(statistics.sums, expected.sums, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(statistics.identity, expected.identity, rtol=1e-5, atol=2e-4)
    residual = torch.network.residual(patches)
    np.testing.assert_allclose(residual, onnx.network.residual(patches), atol=2e-4)
    assert residual.shape == shape
    assert not torch.network.out_of_range(patches).any()


def test_head_threshold_and_window_are_those_of_an_export(
    detectors: tuple[Detector, Detector],
) -> None:
    torch, onnx = detectors
    assert torch.window == onnx.window
    assert torch.spec == onnx.spec
    assert torch.threshold.value == pytest.approx(onnx.threshold.value, abs=1e-3)
    np.testing.assert_allclose(torch.head.mean, onnx.head.mean, atol=1e-3)


@pytest.mark.slow
def test_a_checkpoint_and_its_run_give_the_same_detector(
    trained: Trained, detectors: tuple[Detector, Detector]
) -> None:
    of_run, _ = detectors
    of_file = torch_detector(best_checkpoint(trained.run), print)
    assert of_file.threshold == of_run.threshold
