"""Where the numbers of a report come from: the model, its training and the test."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from edgeae.runtime.scoring.detector import Detector

from ..results.recording_scores import MachineTest

PACKAGES = ("edgeae", "numpy", "onnxruntime", "scikit-learn")


def provenance(
    model: Path, data: Path, detector: Detector, tested: Mapping[str, MachineTest]
) -> list[tuple[str, str]]:
    """Return names and values; what the artifact does not state is left out.

    data: folder of the test recordings; tested: the results of each machine.
    """
    section = _section(detector)
    training = _object(section.get("data"))
    n_recordings = sum(len(result.scores) for result in tested.values())
    threshold = next(iter(tested.values())).detector.threshold
    values = {
        "model": str(model),
        "made": section.get("created"),
        "made with": _versions(_object(section.get("versions"))),
        "trained on": training
        and f"{training.get('name')}, {training.get('recordings')} recordings",
        "fingerprint of that data": training.get("fingerprint"),
        "licence of that data": training.get("licence"),
        "tested on": f"{data}, {n_recordings} recordings of {', '.join(tested)}",
        "tested with": _versions({name: version(name) for name in PACKAGES}),
        "threshold": threshold.support(),
    }
    return [(name, str(value)) for name, value in values.items() if value]


def training_config(detector: Detector) -> str:
    """Return the configuration of the training as JSON; empty if the artifact does not state it."""
    section = _section(detector)
    if "config" not in section:
        return ""
    return json.dumps(section["config"], indent=1, default=str)


def _section(detector: Detector) -> Mapping[str, object]:
    return detector.artifact.provenance


def _object(value: object) -> Mapping[str, object]:
    """Return a part of an artifact, empty where it is missing or of another type."""
    return value if isinstance(value, dict) else {}


def _versions(versions: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
