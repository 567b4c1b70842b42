"""The device: everything that turns sound into scores. Imports NumPy and ONNX Runtime, never torch."""

from .artifact import Artifact
from .detector import Detector, Result
from .errors import ArtifactError, AudioError, ConfigError, DeviceError, EdgeaeError
from .mel import MelSpec, log_mel

__all__ = [
    "Artifact",
    "ArtifactError",
    "AudioError",
    "ConfigError",
    "Detector",
    "DeviceError",
    "EdgeaeError",
    "MelSpec",
    "Result",
    "log_mel",
]
