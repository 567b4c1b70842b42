"""The device: everything that turns sound into scores. Imports the base install only, never
torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import ArtifactError, AudioError, ConfigError, DeviceError, EdgeaeError
    from .features.mel import MelSpec, log_mel
    from .model.artifact import Artifact
    from .scoring.detector import Detector, Result

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

_HOMES = {
    "Artifact": "model.artifact",
    "Detector": "scoring.detector",
    "Result": "scoring.detector",
    "MelSpec": "features.mel",
    "log_mel": "features.mel",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first asked for: `edgeae --help` needs no NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
