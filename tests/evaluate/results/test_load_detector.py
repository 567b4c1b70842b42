"""Which file or folder gives which detector."""

from pathlib import Path

import pytest

from edgeae.evaluate.results import torch_detector
from edgeae.evaluate.results.load_detector import load_detector
from edgeae.runtime.errors import ArtifactError, ConfigError
from edgeae.runtime.model.network import Network
from edgeae.runtime.scoring.detector import Detector
from edgeae.train.run_folder import best_checkpoint
from tests.conftest import Trained


def test_an_artifact_is_loaded_as_it_is(trained: Trained) -> None:
    assert isinstance(load_detector(trained.int8, print).network, Network)


@pytest.mark.parametrize("kind", ["run", "checkpoint"])
def test_a_run_and_its_checkpoint_are_loaded_by_torch(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    expected = Detector.load(trained.float_)
    monkeypatch.setattr(torch_detector, "torch_detector", lambda model, report: expected)
    path = trained.run if kind == "run" else best_checkpoint(trained.run)
    assert load_detector(path, print) is expected


def test_another_file_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither an artifact \(.onnx\) nor a checkpoint"):
        load_detector(trained.new / "faults.csv", print)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError):
        load_detector(tmp_path / "model.onnx", print)
