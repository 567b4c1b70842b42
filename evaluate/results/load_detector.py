"""The detector of an artifact, of a run or of a checkpoint."""

from collections.abc import Callable
from pathlib import Path

from edgeae.runtime.errors import ConfigError
from edgeae.runtime.model.find import names_artifact
from edgeae.runtime.scoring.detector import Detector
from edgeae.runtime.scoring.selftest import load_checked


def load_detector(model: Path, report: Callable[[str], None]) -> Detector:
    """The detector of an artifact; or of a run or checkpoint, with its float network.

    report: gets a sentence about each training recording that cannot be read
    """
    if names_artifact(str(model)):
        return load_checked(model)
    if model.suffix != ".ckpt" and not model.is_dir():
        raise ConfigError(
            f"{model}: neither an artifact (.onnx) nor a checkpoint (.ckpt) nor the folder of a run"
        )
    from .torch_detector import torch_detector

    return torch_detector(model, report)
